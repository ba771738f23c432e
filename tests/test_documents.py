"""Are the pages for people true: links, commands, paths, the words of the glossary, the API?"""

from __future__ import annotations

import importlib
import importlib.util
import json
import pkgutil
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from markdown_it import MarkdownIt
from mdit_py_plugins.anchors.index import slugify

import iova_variants
from iova_lab import checking
from iova_lab.checking import standalone
from iova_lab.claims import Verdict
from iova_lab.commands.cli import main
from iova_lab.comparison import words
from iova_lab.contention import scenarios
from iova_lab.diagnosis import Fit
from iova_lab.measuring import cells, growth
from iova_variants import _variant, watch

ROOT = Path(__file__).resolve().parent.parent
GITHUB = ROOT / ".github"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
#: Pages about the project itself: each command, target and path in them is checked.
ABOUT = ["CONTRIBUTING.md", "RELEASING.md", "SECURITY.md", "docs/architecture.md"]
MARKDOWN = MarkdownIt("commonmark").enable("table")


def read(name: str | Path) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def tracked(pattern: str) -> list[str]:
    """Committed files, and those that would be; pages of reports have tests of their own."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", pattern]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    names = [name for name in done.stdout.splitlines() if (ROOT / name).exists()]
    return [name for name in names if not name.startswith("reports/")]


def links(text: str) -> Iterator[str]:
    for token in MARKDOWN.parse(text):
        for part in token.children or []:
            target = part.attrs.get("href") or part.attrs.get("src")
            if target and not re.match(r"[a-z]+:", str(target)):
                yield str(target)


def anchors(text: str) -> set[str]:
    tokens = MARKDOWN.parse(text)
    heads = [after for token, after in pairwise(tokens) if token.tag[:1] == "h"]
    return {slugify(head.content) for head in heads if head.type == "inline"}


@pytest.mark.parametrize("name", tracked("*.md"))
def test_every_link_leads_somewhere(name: str) -> None:
    # A fragment becomes a part of CHANGELOG.md.
    folder = ROOT if name.startswith("changes/") else (ROOT / name).parent
    for link in links(read(name)):
        path, _, anchor = link.partition("#")
        target = folder / path if path else ROOT / name
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


def code(name: str) -> list[str]:
    """Every line of a block and every piece of inline code."""
    found = []
    for token in MARKDOWN.parse(read(name)):
        if token.type in ("code_block", "fence"):
            found += token.content.splitlines()
        found += [one.content for one in token.children or [] if one.type == "code_inline"]
    return [line.strip() for line in found]


def commands(program: str) -> list[tuple[str, list[str]]]:
    """Words after ``program`` wherever a page about the project has it."""
    pattern = re.compile(rf"(?:^|&& |bin/){re.escape(program)} ([^&;|#)]+)")
    return [
        (name, shlex.split(match[1]))
        for name in ABOUT
        for line in code(name)
        for match in pattern.finditer(line)
    ]


@pytest.mark.parametrize(("name", "given"), commands("iova-lab"), ids=str)
def test_every_command_and_option_exists(name: str, given: list[str]) -> None:
    command: click.Command = main
    rest = list(given)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        assert rest[0] in command.commands, given
        command = command.commands[rest.pop(0)]
    context = click.Context(command)
    known = {option for one in command.get_params(context) for option in one.opts}
    assert {word for word in rest if word.startswith("-")} <= known, given


def test_every_target_of_make_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.M))
    files = [ROOT / name for name in ("Makefile", ".pre-commit-config.yaml", ".ci/run")]
    files += GITHUB.glob("workflows/*.yml")
    named = {word for _, given in commands("make") for word in given if word.isalpha()}
    for path in files[1:]:
        text = path.read_text(encoding="utf-8")
        lines = re.findall(r"(?:run: |entry: |^)make ([a-z ]+)", text, re.M)
        named |= {word for line in lines for word in line.split()}
    assert {"check", "test", "lint", "docs", "reports", "site"} <= named
    assert named <= targets


def test_every_module_that_is_run_exists() -> None:
    found = [given[1] for _, given in commands("python") if given[:1] == ["-m"]]
    assert "iova_lab.claims.ledger" in found
    for module in found:
        assert importlib.util.find_spec(module), module


def test_every_path_exists() -> None:
    folder = r"(?:benchmarks|docs|harness|iova_lab|iova_variants|tests)/"
    path = re.compile(rf"(?<![\w/.-]){folder}[\w./-]*\w(?![*<{{])")
    found = {one for name in tracked("*.md") for line in code(name) for one in path.findall(line)}
    # Rooms of the architecture's routes are named as their folders.
    short = [one for one in code("docs/architecture.md") if re.fullmatch(r"\w+/\w+\.py", one)]
    assert min(len(found), len(short)) > 15
    for one in [*found, *short]:
        places = (ROOT / one, ROOT / "iova_lab" / one)
        assert "NAME" in one or any(place.exists() for place in places), one


def test_the_rooms_are_those_that_lint_holds() -> None:
    (layers,) = (
        one["layers"] for one in PYPROJECT["tool"]["importlinter"]["contracts"] if "layers" in one
    )
    rows = re.findall(r"^\| \[(\w+)\]\(\.\./iova_lab/(\w+)\)", read("docs/architecture.md"), re.M)
    assert [label for label, _ in rows] == [folder for _, folder in rows]
    assert [label for label, _ in rows] == [
        layer for layer in reversed(layers) if layer != "__main__"
    ]


def test_the_limits_in_security_are_those_of_the_code() -> None:
    text, loading = read("SECURITY.md"), _variant._LOADING
    for limit in (
        f"CPU {loading.cpu_s:g} s, wall time {loading.wall_s:g} s",
        f"after {watch.ASLEEP_S:g} s ({standalone.ASLEEP_S:g} s for the sanitized program)",
        f"{watch.OUTPUT_BYTES >> 10} KiB on standard output",
    ):
        assert limit in text


def entries() -> list[list[str]]:
    """Cells of each row of the glossary."""
    lines = [line for line in read("docs/glossary.md").splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in rows if row[0] != "term"]


def test_the_glossary_has_each_term_once_in_order() -> None:
    for section in read("docs/glossary.md").split("\n## ")[1:]:
        terms = re.findall(r"^\| (.+?) \|", section, re.M)[1:]
        assert terms == sorted(terms, key=str.lower)
    terms = [row[0] for row in entries()]
    assert len(terms) == len(set(terms)) > 100
    assert all(len(row) == 3 and row[1] and not row[1].endswith(".") for row in entries())


def printed() -> dict[str, set[str]]:
    """Words that commands and pages print as values, by what they are."""
    return {
        "builds": set(iova_variants.building.BUILDS),
        "checks": set(checking.CHECKS),
        "claims of variants": {str(claim.name).lower() for claim in iova_variants.Claim},
        "common case": {"null"},
        "fits of a diagnosis": {str(fit) for fit in Fit},
        "growth": set(growth.CLASSES),
        "missing": {str(reason) for reason in cells.Missing},
        "outcomes": set(words.OUTCOMES),
        "rcaches": set(iova_variants.RCACHES),
        "scenarios": set(scenarios.SCENARIOS),
        "verdicts": {str(verdict) for verdict in Verdict},
        "visits": {"search", "descend", "update"},
        "labels": {"OLD CODE", "loaded", "partial"},
    }


@pytest.mark.parametrize("kind", printed())
def test_the_glossary_has_every_word_that_is_printed(kind: str) -> None:
    text = "\n".join(" | ".join(row[:2]) for row in entries())
    missing = {word for word in printed()[kind] if not re.search(rf"\b{re.escape(word)}\b", text)}
    assert not missing


def yaml_of(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_workflow_has_every_python_and_debian_that_is_supported() -> None:
    jobs = yaml_of(GITHUB / "workflows" / "test.yml")["jobs"]
    assert jobs["python"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13", "3.14"]
    for name in ("debian", "nightly"):
        assert jobs[name]["strategy"]["matrix"]["release"] == ["12", "13"]
    runs = {name: [step.get("run", "") for step in job["steps"]] for name, job in jobs.items()}
    assert "make check" in runs["debian"]
    assert any(run.startswith("make check ") for run in runs["python"])
    assert ".ci/run" in runs["nightly"]
    (install,) = (run for run in runs["debian"] if "apt-get install" in run)
    packages = re.findall(r"--no-install-recommends (.*)", read("CONTRIBUTING.md"))[0]
    assert packages in install


def test_no_workflow_gives_rights_to_a_pull_request() -> None:
    for path in GITHUB.glob("workflows/*.yml"):
        workflow = yaml_of(path)
        triggers = workflow[True]  # YAML 1.1 takes `on` for a truth value
        assert "pull_request_target" not in triggers
        assert workflow["permissions"] == {"contents": "read"}
        if "pull_request" in triggers:
            assert "{{ secrets" not in path.read_text(encoding="utf-8")
            assert all("permissions" not in job for job in workflow["jobs"].values())


def test_pre_commit_has_no_second_list_of_checks() -> None:
    (repo,) = yaml_of(ROOT / ".pre-commit-config.yaml")["repos"]
    (hook,) = repo["hooks"]
    assert (repo["repo"], hook["entry"], hook["pass_filenames"]) == ("local", "make lint", False)


def test_every_issue_form_has_what_github_demands() -> None:
    forms = sorted(GITHUB.glob("ISSUE_TEMPLATE/*.yml"))
    assert len(forms) == 3
    for form in map(yaml_of, forms):
        assert form["name"]
        assert form["description"]
        ids = [field["id"] for field in form["body"]]
        assert len(ids) == len(set(ids)) > 1
        assert all(field["attributes"]["label"] for field in form["body"])


def test_the_version_is_in_the_changelog_or_has_fragments() -> None:
    version = PYPROJECT["project"]["version"]
    kinds = PYPROJECT["tool"]["towncrier"]["fragment"]
    fragments = [path.name for path in (ROOT / "changes").glob("*.md")]
    assert all(name.split(".")[-2] in kinds for name in fragments)
    assert f"\n## v{version} (" in read("CHANGELOG.md") or fragments


def maker(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("name", ["api", "cli", "diagnose"])
def test_a_page_that_is_made_is_of_this_source(name: str) -> None:
    assert maker(f"make_{name}").page() == read(f"docs/{name}.md"), "`make docs` writes it again"


def test_every_name_of_the_api_exists() -> None:
    public = maker("make_api").PUBLIC
    for path, listed in public.items():
        module = importlib.import_module(path)
        for name in listed or module.__all__:
            assert hasattr(module, name), f"{path}.{name}"
    headings = set(re.findall(r"^### (\w+)$", read("docs/api.md"), re.M))
    assert headings == {
        name for path, listed in public.items() for name in listed or exported(path)
    }


def exported(path: str) -> list[str]:
    found: list[str] = importlib.import_module(path).__all__
    return found


def test_every_name_in_the_table_of_commands_exists() -> None:
    rows = [line.split("|") for line in read("docs/cli.md").splitlines() if line.startswith("| `")]
    names = [name for row in rows if len(row) > 4 for name in re.findall(r"`(iova_[\w.]+)", row[3])]
    assert len(names) > 20
    for name in names:
        pkgutil.resolve_name(name)


def test_the_mutants_that_lived_are_those_of_the_last_survey() -> None:
    found = json.loads(read("results/mutants.json"))["found"]
    assert len(found) == 2
    for one in found:
        assert len(one["lived"]) == one["nr_lived"]
        counts = f"{one['nr_lived']} of {one['nr_tried']} in {one['source']}"
        assert counts in read("CONTRIBUTING.md")

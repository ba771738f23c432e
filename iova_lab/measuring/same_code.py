"""Is the machine code of today's variants that of the commit a result was measured at?

A change of names, comments or the layout of files changes the source and not the machine code.
This command proves it, for the commits that stored results were measured at::

    python -m iova_lab.measuring.same_code COMMIT...

It compiles both trees, each with its own flags and both with the compiler of today, to assembly,
and compares what `ROOTS` reach, apart from names (`machine_code`).  What is equal is stored in
results/same_code.json: per commit and build the digest of the code as it was, and of the C as it is
now.  Labels (`flags`, `code_digest`) count those as the same code, until the C changes again.
Everything else keeps its label.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from iova_lab.basics import repository
from iova_lab.basics.errors import IovaLabError
from iova_lab.basics.writing import write_whole
from iova_lab.measuring import provenance
from iova_lab.measuring.code_digest import proofs_path, text_digest
from iova_lab.measuring.machine_code import Listing, canonical, parse
from iova_variants.building import Build, compiler

#: Where the comparison begins.  Of a timed replay, the allocator and the loops that are timed, with
#: all they call.  Of a counted one, the allocator and all it calls: the loop around it visits no
#: node, and which ops it runs is pinned by tests/golden/answers.json.  Of a threaded one, the
#: allocator and what each thread runs.  All of it is a replay without an rcache.
ROOTS: dict[Build, tuple[str, ...]] = {
    "timed": ("iova_variant", "measured_loop", "sized_loop"),
    "counted": ("iova_variant",),
    "threaded": ("iova_variant", "threads_run_share"),
}
#: Where the comparison ends: what runs only with an rcache, with the judge, or after an error, and
#: what an rcache counts.  The calls are compared, and what is called is not.
LEAVES = (
    *("rcache_alloc", "rcache_free", "rcache_free_past", "harness_stats"),
    *("threads_judge_before", "threads_judge_after", "threads_complain"),
)

#: Run in a tree: how it compiles, and what it calls its code.  Older trees have other module names.
_DESCRIBE = """
import importlib, json, sys
# An editable installation would stand in with another tree's modules for those that this one lacks.
sys.meta_path = [one for one in sys.meta_path if "editable" not in f"{one!r} {type(one)!r}".lower()]
def module(*names):
    for name in names:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            pass
build = module("iova_variants.building", "iova_variants._build")
digests = module("iova_lab.measuring.code_digest", "iova_lab.code_digest")
def public(name):
    return getattr(build, name, None) or getattr(build, "_" + name)
names = sorted(path.stem for path in build.variant_sources())
print(json.dumps({kind: {
    "flags": [*build.CFLAGS, *build.BUILD_CFLAGS[kind]],
    "include": [str(path) for path in public("include_dirs")(kind)],
    "harness": [str(path) for path in public("harness_sources")(kind)],
    "variants": {path.stem: str(path) for path in build.variant_sources()},
    "digests": {name: digests.code_digest(name, kind) for name in names} if digests else {},
} for kind in sys.argv[1:]}))
"""


@dataclass(frozen=True)
class Tree:
    """How one tree compiles one build; paths are absolute.

    ``digests``: what rows that were measured with this tree have stored as their code.
    """

    flags: list[str]
    include: list[str]
    harness: list[str]
    variants: dict[str, str]
    digests: dict[str, str]

    def listing(self, source: str) -> Listing:
        """What one file compiles to.  Raises `IovaLabError` where it does not."""
        include = [f"-I{path}" for path in self.include]
        command = [compiler(), *self.flags, "-g0", *include, "-S", "-o", "-", source]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise IovaLabError(f"{source} does not compile: {done.stderr.strip()[:400]}")
        return parse(done.stdout)

    def code(self, build: Build) -> dict[str, str]:
        """The machine code of each variant as text without names; see `canonical`.

        Empty for an older tree whose loop is not called as one of `ROOTS`.
        """
        with ThreadPoolExecutor() as pool:
            harness = list(pool.map(self.listing, self.harness))
            variants = pool.map(self.listing, self.variants.values())
            try:
                return {
                    name: canonical(ROOTS[build], [own, *harness], LEAVES)
                    for name, own in zip(self.variants, variants, strict=True)
                }
            except LookupError:
                return {}


def describe(root: Path) -> dict[Build, Tree]:
    """Ask a tree for itself.  Raises `IovaLabError` where that fails, or describes another tree."""
    command = [sys.executable, "-c", _DESCRIBE, *ROOTS]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise IovaLabError(f"{root} is no tree of the lab: {done.stderr.strip()[-400:]}")
    trees = {build: Tree(**tree) for build, tree in json.loads(done.stdout).items()}
    for tree in trees.values():
        for path in (*tree.variants.values(), *tree.harness, *tree.include):
            if not Path(path).is_relative_to(root.resolve()):
                raise IovaLabError(f"{root} was not described: {path} is of another tree")
    return trees


def same(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Names of the variants that both trees have, with the same machine code."""
    return sorted(name for name in then.keys() & now.keys() if then[name] == now[name])


def prove(commit: str, folder: Path, now: Mapping[Build, Mapping[str, str]]) -> dict[str, object]:
    """Compare ``commit``, unpacked into ``folder``, with today's code: what `main` stores of it."""
    archive = repository.run("archive", commit, "iova_variants", "harness", "iova_lab")
    if archive is None or archive.returncode:
        raise IovaLabError(f"{commit} is no commit of this repository (git fetch --unshallow?)")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
    then = describe(folder)
    proof: dict[str, object] = {"commit": commit}
    for build in ROOTS:
        names = same(then[build].code(build), now[build])
        proof[build] = {
            name: {"then": then[build].digests.get(name, ""), "now": text_digest(name, build)}
            for name in names
        }
    return proof


def _full(commits: Iterable[str]) -> Iterator[str]:
    for commit in commits:
        full = repository.output("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}")
        if full is None:
            raise IovaLabError(f"{commit} is no commit of this repository (git fetch --unshallow?)")
        yield full


def main(arguments: Sequence[str]) -> None:
    """Compare each of these commits with this checkout, and store what is equal."""
    if not arguments or arguments[0].startswith("-"):
        raise IovaLabError("usage: python -m iova_lab.measuring.same_code COMMIT...")
    now = {build: tree.code(build) for build, tree in describe(repository.ROOT).items()}
    proofs = []
    for commit in dict.fromkeys(_full(arguments)):
        with tempfile.TemporaryDirectory(prefix="iova-lab-same-code-") as folder:
            proof = prove(commit, Path(folder), now)
        proofs.append(proof)
        for build, code in now.items():
            held = proof[build]
            assert isinstance(held, dict)
            other = sorted(code.keys() - held.keys())
            found = f"; not: {', '.join(other)}" if other else ""
            print(f"{commit[:12]} {build}: the same machine code: {len(held)} variants{found}")
    stored = {
        "command": " ".join(["python -m iova_lab.measuring.same_code", *arguments]),
        "commit": provenance.commit(),
        "compiler": provenance.compiler_version(),
        "proofs": proofs,
    }
    path = write_whole(proofs_path(), json.dumps(stored, separators=(",", ":")) + "\n")
    print(f"stored: {path.relative_to(repository.ROOT)}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except IovaLabError as error:
        sys.exit(f"same_code: {error}")

"""Work that was done ends with status 0; work that was not done never does."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import iova_variants
from iova_lab.commands.cli import main

ROOT = Path(__file__).parent.parent
TRACE = str(ROOT / "iova_lab" / "traces" / "debian-6.12.npz")

#: With a variant in place of {}.
COMMANDS = {
    "contention run": "contention run {} near_empty@20 --threads 2 --seconds 0.1",
    "trace replay": f"trace replay {TRACE} {{}} --timings 1",
    "trace replay, several": f"trace replay {TRACE} mainline {{}} --timings 1",
    "trace replay as JSON": f"trace replay {TRACE} {{}} --timings 1 --json",
}
WAYS = {
    "traps": "__builtin_trap();",
    "ends the process": "extern void _exit(int); _exit(0);",
}


def status(command: str, variant: str) -> int:
    return CliRunner().invoke(main, COMMANDS[command].format(variant).split()).exit_code


@pytest.mark.parametrize("command", COMMANDS)
def test_work_that_is_done_is_a_success(command: str) -> None:
    assert status(command, "mainline") == 0


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("command", COMMANDS)
def test_work_that_is_not_done_is_none(command: str, way: str, tmp_path: Path) -> None:
    text = Path(iova_variants.__path__[0], "null.c").read_text(encoding="utf-8")
    head, alloc, body = text.replace('"null"', '"broken"').partition("null_alloc(")
    path = tmp_path / "broken.c"
    path.write_text(head + alloc + body.replace("{\n", f"{{\n\t{WAYS[way]}\n", 1), encoding="utf-8")
    assert status(command, str(path)) == 1

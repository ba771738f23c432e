"""Is docs/releases.md of the variants that there are, and are its drawings what is printed?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import iova_variants
from iova_lab.commands.cli import main

PAGE = (Path(__file__).parent.parent / "docs" / "releases.md").read_text(encoding="utf-8")


def test_every_variant_that_stands_for_releases_is_on_the_page() -> None:
    of_releases = {
        name: iova_variants.load(name).kernel_release
        for name in iova_variants.names()
        if re.match(r"v\d+\.\d+", iova_variants.load(name).kernel_release)
    }
    assert dict(re.findall(r"^\| `(\w+)` \| (v.*) \|$", PAGE, re.MULTILINE)) == of_releases


@pytest.mark.parametrize("name", ["retry-start", "retry-returns"])
def test_a_drawing_is_what_the_command_prints(name: str) -> None:
    printed = CliRunner().invoke(main, ["example", name])
    assert printed.exit_code == 0
    assert f"(`iova-lab example {name}`):\n\n```\n{printed.output}```\n" in PAGE

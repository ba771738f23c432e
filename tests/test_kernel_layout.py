"""Are the packages and files of a kernel found in both layouts, from made-up lists of packages?"""

from __future__ import annotations

from pathlib import Path

import pytest

from iova_lab.debian import index
from iova_lab.debian.index import Package
from iova_lab.kernel import KernelError, layout

GOLDEN = Path(__file__).with_name("golden") / "packages"


def read(name: str) -> dict[str, list[Package]]:
    found: dict[str, list[Package]] = {}
    for package in index.parse((GOLDEN / name).read_text(), layout.is_part):
        found.setdefault(package.name, []).append(package)
    return found


@pytest.mark.parametrize(
    ("name", "releases"),
    [
        ("one-image", ["9.1.0-7-amd64", "9.1.0-10-amd64", "9.12.4+deb12-amd64"]),
        ("split", ["9.3-rc2-amd64", "9.3-amd64"]),
    ],
)
def test_releases_are_those_with_image_and_headers(name: str, releases: list[str]) -> None:
    """Not those of other flavours, without headers, or that only stand for another."""
    assert layout.releases(read(name)) == releases


def test_an_image_with_everything() -> None:
    assert layout.packages("9.1.0-10-amd64", read("one-image")) == [
        "linux-headers-9.1.0-10-amd64",
        "linux-headers-9.1.0-10-common",
        "linux-image-9.1.0-10-amd64",
        "linux-kbuild-9.1",
    ]


def test_an_image_that_depends_on_its_parts() -> None:
    assert layout.packages("9.3-amd64", read("split")) == [
        "linux-base-9.3-amd64",
        "linux-binary-9.3-amd64",
        "linux-headers-9.3-amd64",
        "linux-headers-9.3-common",
        "linux-image-9.3-amd64",
        "linux-kbuild-9.3",
        "linux-modules-9.3-amd64",
    ]


def test_an_image_that_nobody_has_signed_yet() -> None:
    names = layout.packages("9.3-rc2-amd64", read("split"))
    assert "linux-binary-unsigned-9.3-rc2-amd64" in names
    assert "linux-modules-9.3-rc2-amd64" in names


def test_what_a_build_of_modules_needs_beside_the_kernel() -> None:
    expected = ["libc6", "libelf1t64", "toy-16-for-host"]
    assert layout.needs("9.3-amd64", read("split")) == expected
    assert "linux-compiler-toy-12-x86" in layout.needs("9.1.0-10-amd64", read("one-image"))


def test_releases_are_ordered_by_number_and_candidates_come_first() -> None:
    releases = ["9.3-amd64", "9.3-rc2-amd64", "9.3.1-amd64", "9.12.4-amd64", "9.3-rc10-amd64"]
    assert sorted(releases, key=layout.version) == [
        "9.3-rc2-amd64",
        "9.3-rc10-amd64",
        "9.3-amd64",
        "9.3.1-amd64",
        "9.12.4-amd64",
    ]
    assert layout.series("9.12.4+deb12-amd64") == "9.12"


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")


def test_files_below_boot_and_lib(tmp_path: Path) -> None:
    put(tmp_path, "boot/vmlinuz-9", "lib/modules/9/kernel/a.ko", "usr/lib/linux-kbuild-9/x")
    layout.settle(tmp_path, "9")
    assert layout.image(tmp_path, "9") == tmp_path / "boot/vmlinuz-9"
    assert (tmp_path / "lib/modules/9/kernel/a.ko").exists()
    assert not (tmp_path / "lib").is_symlink()


@pytest.mark.parametrize("link", [True, False])
def test_files_below_usr_lib(tmp_path: Path, link: bool) -> None:
    put(tmp_path, "usr/lib/modules/9/vmlinuz", "usr/lib/modules/9/kernel/a.ko")
    if link:
        put(tmp_path, "lib/modules/9/build")
    layout.settle(tmp_path, "9")
    assert layout.image(tmp_path, "9") == tmp_path / "usr/lib/modules/9/vmlinuz"
    assert (tmp_path / "lib/modules/9/kernel/a.ko").exists()


def test_a_layout_that_is_not_known_is_reported(tmp_path: Path) -> None:
    with pytest.raises(KernelError, match=r"kernel 9 has no image .*boot/vmlinuz-9"):
        layout.image(tmp_path, "9")

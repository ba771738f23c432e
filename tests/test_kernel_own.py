"""Is a kernel of the user's own found by its path, and is what it lacks named?"""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from iova_lab.debian import suites
from iova_lab.kernel import KernelError, own, packages, tools

OPTIONS = [*own._NEEDED]


def bzimage(path: Path, release: str) -> Path:
    """A file with the head of a kernel's image."""
    data = bytearray(0x1000)
    data[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", data, 0x20E, 0x400)
    text = f"{release} (me@here) #1\0".encode()
    data[0x600 : 0x600 + len(text)] = text
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def configure(headers: Path, options: list[str], more: str = "") -> Path:
    headers.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{option}=y\n" for option in options)
    (headers / ".config").write_text(f'CONFIG_CC_VERSION_TEXT="gcc-14 (D) 14.2"\n{lines}{more}')
    return headers


def tree_at(path: Path, options: list[str] = OPTIONS) -> Path:
    """What a build leaves of a kernel, as far as the lab looks at it."""
    configure(path, options)
    bzimage(path / "arch/x86/boot/bzImage", "9.1.0-mine")
    (path / "include/config").mkdir(parents=True)
    (path / "include/config/kernel.release").write_text("9.1.0-mine\n")
    (path / "Module.symvers").write_text("")
    (path / "modules.builtin").write_text("kernel/drivers/nvme/host/nvme.ko\n")
    return path


def test_a_built_tree(tmp_path: Path) -> None:
    tree = tree_at(tmp_path / "linux")
    found = own.get(str(tree))
    assert found.release == "9.1.0-mine"
    assert found.vmlinuz == tree / "arch/x86/boot/bzImage"
    assert found.headers == tree
    assert found.compiler == "gcc-14"
    assert found.make_arguments == ["CC=gcc-14"]
    assert found.dependencies == {"nvme": []}
    assert not found.packages


def test_the_image_in_a_tree_is_that_tree(tmp_path: Path) -> None:
    tree = tree_at(tmp_path / "linux")
    assert own.get(str(tree / "arch/x86/boot/bzImage")) == own.get(str(tree))


def test_two_builds_of_one_release_are_told_apart(tmp_path: Path) -> None:
    tree = tree_at(tmp_path / "linux")
    before = own.get(str(tree)).digest
    (tree / "Module.symvers").write_text("0x1\talloc_iova\tvmlinux\tEXPORT_SYMBOL_GPL\t\n")
    assert own.get(str(tree)).digest != before


def test_a_tree_that_is_not_built(tmp_path: Path) -> None:
    with pytest.raises(KernelError, match=r"holds no built kernel \(arch/x86/boot/bzImage is miss"):
        own.get(str(tmp_path))


def test_a_tree_without_its_list_of_symbols(tmp_path: Path) -> None:
    tree = tree_at(tmp_path)
    (tree / "Module.symvers").unlink()
    with pytest.raises(KernelError, match=r"has no Module\.symvers.*: make modules$"):
        own.get(str(tree))


@pytest.mark.parametrize("place", ["usr/src/linux-headers-9.2", "lib/modules/9.2/build"])
def test_an_image_and_its_headers(tmp_path: Path, place: str) -> None:
    image = bzimage(tmp_path / "boot/vmlinuz-9.2", "9.2")
    headers = configure(tmp_path / place, OPTIONS)
    (headers / "Module.symvers").write_text("")
    found = own.get(str(image))
    assert (found.release, found.vmlinuz, found.headers) == ("9.2", image, headers)


def test_an_image_without_headers_names_their_package(tmp_path: Path) -> None:
    image = bzimage(tmp_path / "boot/vmlinuz-9.2", "9.2")
    with pytest.raises(KernelError, match=r"is kernel 9\.2, .*: apt install linux-headers-9\.2$"):
        own.get(str(image))


def test_a_file_that_is_no_image(tmp_path: Path) -> None:
    path = tmp_path / "vmlinux"
    path.write_bytes(b"\x7fELF" + bytes(2000))
    with pytest.raises(KernelError, match="is no bzImage"):
        own.get(str(path))


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_that_is_missing_is_one_line(tmp_path: Path, option: str) -> None:
    tree = tree_at(tmp_path, [one for one in OPTIONS if one != option])
    with pytest.raises(KernelError, match=rf"^kernel 9\.1\.0-mine: .*: set .*{option}[^\n]*$"):
        own.get(str(tree))


def test_all_that_a_kernel_lacks_is_named_at_once(tmp_path: Path) -> None:
    tree = tree_at(tmp_path, [])
    with (tree / ".config").open("a") as file:
        file.write("CONFIG_MODULE_SIG_FORCE=y\n")
    with pytest.raises(KernelError) as caught:
        own.get(str(tree))
    lines = str(caught.value).splitlines()
    assert len(lines) == len(OPTIONS) + 1
    assert lines[-1].endswith("it loads signed modules only: set CONFIG_MODULE_SIG_FORCE=n")


def test_clang_is_asked_for_as_kbuild_wants_it(tmp_path: Path) -> None:
    tree = tree_at(tmp_path)
    text = 'CONFIG_CC_VERSION_TEXT="Debian clang version 19.1.7"\n'
    (tree / ".config").write_text(text + "".join(f"{one}=y\n" for one in OPTIONS))
    assert own.get(str(tree)).make_arguments == ["LLVM=1"]


def test_the_running_kernel_without_an_image_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Name:
        release = "9.9.9-nowhere"

    monkeypatch.setattr("os.uname", Name)
    with pytest.raises(KernelError, match=r"running kernel, 9\.9\.9-nowhere, has no image here"):
        own.get(own.RUNNING)


@pytest.mark.parametrize("name", ["7", "no/such/tree", "sidd"])
def test_a_name_that_is_none_is_told_with_what_there_is(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "missing", lambda *_: None)
    with pytest.raises(KernelError, match=r"no kernel '.*': give a series such as 6\.12, a suite"):
        packages.get(name)


def test_a_series_that_no_suite_has_is_told_with_those_that_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = tmp_path / "lists"
    lists.mkdir()
    golden = Path(__file__).with_name("golden") / "packages"
    for suite, name in (("old", "one-image"), ("new", "split")):
        (lists / f"x_dists_{suite}_main_binary-amd64_Packages").write_text(
            (golden / name).read_text()
        )
    monkeypatch.setattr(suites, "FOLDER", tmp_path)
    monkeypatch.setattr(suites, "KEYRING", tmp_path / "none")  # so nothing is fetched
    monkeypatch.setattr(suites, "SUITES", {"old": ("old",), "new": ("new",)})
    monkeypatch.setattr(packages, "CACHE", tmp_path / "kernel")
    monkeypatch.setattr(tools, "missing", lambda *_: None)
    with pytest.raises(KernelError, match=r"no kernel 9\.9 .*; it has: 9\.1 \(old\), 9\.3 \(ne"):
        packages.get("9.9")
    newest, new = (packages._newest(name, refresh=False) for name in ("newest", "new"))
    assert newest == packages._Offer("9.12.4+deb12-amd64", "old")
    assert new == packages._Offer("9.3-amd64", "new")

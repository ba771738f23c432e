"""Are packages taken from a signed archive alone, by apt with a configuration of the lab's own?

tests/golden/archive is one, made by make.sh in it: a suite with two packages, whose list is no
longer valid by its date.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from iova_lab.debian import DebianError, apt, index, root, suites

pytestmark = pytest.mark.skipif(shutil.which("apt-get") is None, reason="apt-get: Debian alone")

GOLDEN = Path(__file__).with_name("golden") / "archive"


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the archive, as the only one that is known."""
    copy = Path(shutil.copytree(GOLDEN, tmp_path / "archive"))
    monkeypatch.setattr(suites, "ARCHIVE", f"copy:{copy}")
    monkeypatch.setattr(suites, "KEYRING", copy / "keyring.gpg")
    monkeypatch.setattr(suites, "SUITES", {"toy": ("toy",)})
    monkeypatch.chdir(tmp_path)
    return copy


def every(name: str) -> bool:
    return bool(name)


def test_packages_are_listed_fetched_and_unpacked(archive: Path) -> None:
    assert {name: [p.version for p in found] for name, found in every_package().items()} == {
        "lab-toy": ["2"],
        "lab-toy-base": ["1"],
    }
    names = apt.dependencies("toy", ["lab-toy"])
    assert sorted(names) == ["lab-toy", "lab-toy-base"]
    sums = apt.unpack("toy", names, Path("target"))
    assert Path("target/usr/share/lab-toy/file").read_text() == "toy\n"
    assert sums == {name: found[0].sha256 for name, found in every_package().items()}
    assert not list(Path().rglob("*.deb.*"))


def test_a_library_that_is_loaded_before_python_is_not_loaded_before_apt(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests run under sanitizers in that way, and apt's gpgv hung under one."""
    source = archive / "ends.c"
    source.write_text(
        "#include <unistd.h>\n__attribute__((constructor)) static void ends(void) { _exit(9); }\n"
    )
    library = archive / "ends.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    monkeypatch.setenv("LD_PRELOAD", str(library))
    assert subprocess.run(["true"], check=False).returncode == 9
    assert apt.unpack("toy", apt.dependencies("toy", ["lab-toy"]), Path("target"))


def every_package() -> dict[str, list[index.Package]]:
    return apt.packages("toy", every)


def test_what_is_installed_is_left_out_of_the_dependencies(archive: Path) -> None:
    status = archive / "status"
    status.write_text(
        "Package: lab-toy-base\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n"
        "Maintainer: T <t@localhost>\nDescription: t\n\n"
    )
    assert apt.dependencies("toy", ["lab-toy"], status) == ["lab-toy"]


@pytest.mark.parametrize("path", ["InRelease", "main/binary-amd64/Packages"])
def test_a_list_that_was_changed_after_it_was_signed_is_rejected(archive: Path, path: str) -> None:
    changed = archive / "dists/toy" / path
    changed.write_text(changed.read_text().replace("lab-toy", "bad-toy").replace("Toy", "Bad"))
    with pytest.raises(DebianError, match=r"apt-get update failed for toy: "):
        every_package()


def test_a_list_that_another_key_has_signed_is_rejected(archive: Path) -> None:
    shutil.copy(archive / "other.gpg", archive / "keyring.gpg")
    with pytest.raises(DebianError, match="apt-get update failed for toy: "):
        every_package()


def test_a_package_that_was_changed_is_rejected(archive: Path) -> None:
    every_package()
    (deb,) = archive.glob("pool/lab-toy_*.deb")
    data = bytearray(deb.read_bytes())
    data[-40] ^= 1
    deb.write_bytes(data)
    with pytest.raises(DebianError):
        apt.unpack("toy", ["lab-toy"], Path("target"))


def test_a_package_that_the_list_has_another_sum_of_is_rejected(archive: Path) -> None:
    """Where apt itself has found nothing wrong."""
    every_package()
    (path,) = (suites.FOLDER / "lists").glob("*_Packages")
    text = path.read_text()
    (deb,) = archive.glob("pool/lab-toy-base_*.deb")
    folder = Path("debs")
    apt.download("toy", ["lab-toy-base"], folder)
    path.write_text(text.replace(apt.sha256(deb), "0" * 64))
    with pytest.raises(DebianError, match=r"lab-toy-base_1_all\.deb is not what the signed list"):
        apt._checked(folder, apt.listed("toy", every)["lab-toy-base"], "lab-toy-base")


def test_a_package_that_no_list_has_is_one_line(archive: Path) -> None:
    with pytest.raises(DebianError, match=r"^apt-get download no-toy failed for toy: [^\n]+$"):
        apt.unpack("toy", ["no-toy"], Path("target"))


def test_without_a_network_the_lists_that_are_there_are_used(archive: Path) -> None:
    every_package()
    archive.rename(archive.with_name("gone"))
    assert set(apt.packages("toy", every, refresh=True)) == {"lab-toy", "lab-toy-base"}


def test_without_a_network_and_lists_the_reason_is_told(archive: Path) -> None:
    archive.joinpath("dists").rename(archive / "gone")
    with pytest.raises(DebianError, match="apt-get update failed for toy: "):
        every_package()


def test_of_the_machines_configuration_only_the_network_is_used(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = archive / "apt.conf"
    theirs.write_text(
        'Acquire::http::Proxy "http://localhost:9";\nAcquire::Retries "7";\n'
        'APT::Update::Post-Invoke { "touch hook"; };\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(theirs))
    every_package()
    assert not Path("hook").exists()
    done = subprocess.run(
        ["apt-config", "dump"], env=suites.environment("toy"), capture_output=True, text=True
    )
    assert 'Acquire::http::Proxy "http://localhost:9";' in done.stdout
    assert 'Acquire::Retries "7";' in done.stdout
    folder = suites.FOLDER.resolve()
    assert f'Dir::State::lists "{folder}/lists";' in done.stdout
    assert "Post-Invoke" not in done.stdout


def test_a_missing_keyring_is_told_with_its_package(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suites, "KEYRING", archive / "no.gpg")
    with pytest.raises(DebianError, match=r"no\.gpg is missing: apt install debian-archive-keyr"):
        every_package()


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ({"ID": "debian", "VERSION_ID": "12", "VERSION_CODENAME": "bookworm"}, "bookworm"),
        ({"ID": "debian", "VERSION_ID": "13", "VERSION_CODENAME": "trixie"}, "trixie"),
        ({"ID": "debian", "VERSION_CODENAME": "forky"}, "sid"),
        ({"ID": "ubuntu", "VERSION_CODENAME": "noble"}, None),
    ],
)
def test_the_suite_of_this_machine(
    release: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.freedesktop_os_release", lambda: release)
    assert suites.here() == expected
    assert suites.in_order()[0] == (expected or "bookworm")


def test_fields_of_a_list() -> None:
    text = (
        "Package: a\nVersion: 1:2-3\nDepends: b:any (>= 1) | c, d\nPre-Depends: e (= 1)\n"
        "SHA256: 12\n\nPackage: ab\nVersion: 1\n"
    )
    assert list(index.parse(text, every)) == [
        index.Package("a", "1:2-3", "12", ("e", "b", "d")),
        index.Package("ab", "1", ""),
    ]
    assert [package.name for package in index.parse(text, "ab".__eq__)] == ["ab"]


def test_a_machine_without_namespaces_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(root, "_unshare", lambda: ["sh", "-c", "echo 'not permitted' >&2; exit 1"])
    with pytest.raises(DebianError, match=r"^the root of .*\(not permitted\).*run as root$"):
        root.check()


#: A kernel of sid, whose compiler this machine lacks, is asked for.
ASKED = """
import os, sys
from pathlib import Path
from iova_lab.kernel import KernelError, toolchain
from iova_lab.kernel.files import Kernel
if sys.argv[1] == "user":
    os.geteuid = lambda: 1000
here = Path("/nonexistent")
kernel = Kernel("9.9-amd64", here, here, here, Path(sys.argv[2]), suite="sid")
try:
    toolchain.check(kernel)
except KernelError as error:
    print(error)
"""


@pytest.mark.skipif(suites.here() == "sid", reason="sid itself needs no root of sid")
@pytest.mark.parametrize("who", ["root", "user"])
def test_a_machine_that_refuses_namespaces_is_one_line_with_both_remedies(
    who: str, tmp_path: Path
) -> None:
    """The kernel's own refusal: in a namespace that may have no further ones."""
    (tmp_path / ".kernelvariables").write_text("CC = gcc-99\n")
    limits = "for kind in user mnt; do echo 0 > /proc/sys/user/max_${kind}_namespaces; done"
    inside = shlex.join([sys.executable, "-c", ASKED, who, str(tmp_path)])
    command = ["unshare", "--user", "--map-root-user", "sh", "-ec", f"{limits}; exec {inside}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no user namespace to try it in: {done.stderr.strip()}")
    (line,) = done.stdout.splitlines()
    assert "kernel 9.9-amd64 was compiled with gcc-99" in line
    assert "apt install" in line
    assert "gcc-99" in line.partition("apt install ")[2]
    assert "needs a mount namespace, which this machine refuses (unshare: " in line
    assert line.endswith("or run as root")


def test_commands_run_in_a_root_with_folders_of_this_machine(tmp_path: Path) -> None:
    try:
        root.check()
    except DebianError as error:
        pytest.skip(str(error))
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("busybox: apt install busybox-static")
    place, shown = tmp_path / "root", tmp_path / "shown folder"
    (place / "usr/bin").mkdir(parents=True)
    for name in ("dev", "proc"):
        (place / name).mkdir()
    (place / "dev/null").touch()
    shutil.copy(busybox, place / "usr/bin/busybox")
    for name in ("sh", "env", "cat"):
        (place / "usr/bin" / name).symlink_to("busybox")
    shown.mkdir()
    (shown / "here").write_text("seen\n")
    script = f"cat '{shown}/here'; echo lost > /dev/null; echo \"$HOME\"; test ! -e {os.devnull}x"
    done = root.run(place, [shown], ["sh", "-c", script])
    assert (done.returncode, done.stdout) == (0, "seen\n/\n"), done.stderr
    assert (place / "dev/null").read_text() == ""
    assert not list((place / str(shown).lstrip("/")).iterdir())

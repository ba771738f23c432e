"""Is a text read that is packed, piped or broken, and does a failed import leave nothing behind?"""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from iova_lab.commands.cli import main
from iova_lab.traces.file import open_trace
from iova_lab.traces.importer import ImportTextError, import_text
from tests.support.lab import take_interrupts

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

INIT = "  init-1 [000] ..... 1.000000: iova_init: (f+0x4/0x9) dom=0xa granule=0x1000 start=0x1\n"
ALLOC = (
    "  dd-7 [000] ..... {0:.6f}: iova_alloc: (f+0x4/0x9) dom=0xa size=0x1 limit=0xfffff aligned=1 "
    "pfn={1:#x}\n"
)
FREE = "  dd-7 [000] ..... {0:.6f}: iova_free: (f+0x4/0x9) dom=0xa pfn={1:#x}\n"
TEXT = (INIT + ALLOC.format(2, 0xFFFFF) + FREE.format(3, 0xFFFFF)).encode()

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "xz": lzma.compress,
    "zst": zstd.compress,
    "bz2": bz2.compress,
}


def many_lines(nr_pairs: int) -> bytes:
    lines = [INIT]
    for index in range(nr_pairs):
        at, pfn = 2 + index * 2e-6, 0xFFFFF - index % 4096
        lines += [ALLOC.format(at, pfn), FREE.format(at + 1e-6, pfn)]
    return "".join(lines).encode()


def run(*arguments: str | Path, data: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["trace", "import", *map(str, arguments)], input=data)


@pytest.mark.parametrize("suffix", PACKERS)
def test_packed_text_is_unpacked_whatever_its_name(suffix: str, tmp_path: Path) -> None:
    source = tmp_path / f"mine.txt.{suffix}"
    source.write_bytes(PACKERS[suffix](TEXT))
    assert run(source, "--kernel", "6.12.0").exit_code == 0
    assert open_trace(tmp_path / "mine.npz").nr_rows == 2
    other = source.rename(tmp_path / "plain")
    assert import_text(other, tmp_path / "o.npz", kernel="6.12.0").nr_rows == 2


@pytest.mark.slow
@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("damage", ["truncated", "spoiled"])
def test_packed_text_that_is_broken_leaves_nothing(
    suffix: str, damage: str, tmp_path: Path
) -> None:
    packed = bytearray(PACKERS[suffix](many_lines(20_000)))
    if damage == "truncated":
        del packed[len(packed) // 2 :]
    else:
        packed[len(packed) // 2 : len(packed) // 2 + 40] = b"\xff" * 40
    source = tmp_path / f"t.txt.{suffix}"
    source.write_bytes(packed)
    done = run(source, "--kernel", "6.12.0")
    assert done.exit_code == 1
    assert done.stderr.strip().startswith(f"iova-lab: {source}: ")
    assert "damaged" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == [source]


def test_standard_input_is_read(tmp_path: Path) -> None:
    done = run("-", "--kernel", "6.12.0", "--out", tmp_path / "t.npz", data=gzip.compress(TEXT))
    assert done.exit_code == 0, done.output
    assert open_trace(tmp_path / "t.npz").nr_rows == 2
    assert "--out" in run("-", "--kernel", "6.12.0", data=TEXT).stderr


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty: nothing was recorded"),
        (b"\x7fELF\0\0\0", "a binary file: byte 4 is zero"),
        (b"\x17\x08\x44tracing6\0", "trace-cmd report"),
        (b"PERFILE2\0\0", "perf script"),
        (b"PK\x03\x04\0\0", "zip archive"),
        ("hello\n".encode("utf-16"), "iconv"),
        (b"x" * 3_000_000, "no text"),
        (b"all is well\n", "line 1: all is well"),
        (b"  dd-7 [000] 1.5: sched_switch: a=1\n", "none of them a request"),
        (TEXT.replace(b"[000]", b"000"), "without a [CPU]"),
        (TEXT.replace(b"1.000000", b"1").replace(b"2.0", b"2").replace(b"3.0", b"3"), "mono"),
        (TEXT.splitlines(keepends=True)[0], "none of them a request"),
    ],
)
def test_what_is_no_text_of_ours_is_told_in_one_line(
    data: bytes, message: str, tmp_path: Path
) -> None:
    source = tmp_path / "t.txt"
    source.write_bytes(data)
    done = run(source, "--kernel", "6.12.0")
    assert done.exit_code == 1
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == [source]


def test_the_last_line_is_left_out_if_it_is_cut(tmp_path: Path) -> None:
    """A number that lost its last digits is another number."""
    (tmp_path / "t.txt").write_bytes(TEXT[:-3])
    done = import_text(tmp_path / "t.txt", tmp_path / "t.npz", kernel="6.12.0")
    assert done.nr_rows == 1
    assert any("cut there; the first is line 3: dd-7" in note for note in done.notes)


def test_the_kernel_must_be_known(tmp_path: Path) -> None:
    source = tmp_path / "t.txt"
    source.write_bytes(TEXT)
    assert "--kernel" in run(source).stderr
    assert "does not begin with a version" in run(source, "--kernel", "mainline").stderr
    assert list(tmp_path.iterdir()) == [source]
    source.write_bytes(b"# ========\n# os release : 6.12.9-amd64\n" + TEXT)
    assert import_text(source, tmp_path / "t.npz").kernel == "6.12.9-amd64"


def test_a_trace_is_not_imported_again(tmp_path: Path) -> None:
    (tmp_path / "t.npz").write_bytes(b"x")
    assert "is a trace file already" in run(tmp_path / "t.npz", "--kernel", "6.1.0").stderr


def test_what_was_done_is_there_for_a_script(tmp_path: Path) -> None:
    import json

    (tmp_path / "t.txt").write_bytes(TEXT + b"other\n")
    done = json.loads(run(tmp_path / "t.txt", "--kernel", "6.1.0", "--json").stdout)
    assert done["nr_rows"] == 2
    assert done["dropped"][0]["line"] == 4


# ---- nothing half written ----

#: At a limit of file sizes Python cuts its own bytecode without a word, and later starts fail.
NO_BYTECODE = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}


def import_in_child(source: Path, target: Path, *, largest: int = -1) -> subprocess.Popen[str]:
    """The command as its user runs it, with files of at most ``largest`` bytes."""

    def begin() -> None:
        take_interrupts()
        if largest >= 0:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    command = [sys.executable, "-m", "iova_lab", "trace", "import", str(source)]
    return subprocess.Popen(
        [*command, "--kernel", "6.12.0", "--out", str(target)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=begin,
        env=NO_BYTECODE,
    )


@pytest.mark.slow
def test_a_disk_that_is_full_is_one_line(tmp_path: Path) -> None:
    source, target = tmp_path / "t.txt", tmp_path / "out" / "t.npz"
    target.parent.mkdir()
    target.write_bytes(b"before")
    source.write_bytes(many_lines(5_000))
    process = import_in_child(source, target, largest=1_000)
    _, err = process.communicate()
    assert process.returncode == 1
    assert err.startswith("iova-lab: ")
    assert "File too large" in err
    assert str(target) in err
    assert len(err.splitlines()) == 1
    assert list(target.parent.iterdir()) == [target]
    assert target.read_bytes() == b"before"


@pytest.mark.slow
@pytest.mark.parametrize("nr_rows", [1_000, 1_000_000])
def test_a_disk_that_fills_while_the_file_is_written_is_told_as_that(
    nr_rows: int, tmp_path: Path
) -> None:
    """What zip then says of its own state is not what was wrong."""
    target = tmp_path / "t.npz"
    code = (
        "import resource, sys; from pathlib import Path; import numpy as np\n"
        "from iova_lab.traces.file import TRACE_DTYPE, write_trace\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); n = {nr_rows}\n"
        "rows = np.frombuffer(np.random.default_rng(0).bytes(34 * n), TRACE_DTYPE)\n"
        f"try: write_trace(Path({str(target)!r}), n, [rows], {{}})\n"
        "except OSError as error: sys.exit(error.errno)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, env=NO_BYTECODE)
    assert done.returncode == errno.EFBIG
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes(TEXT)
    done = run(tmp_path / "t.txt", "--kernel", "6.1.0", "--out", tmp_path / "no" / "t.npz")
    assert done.exit_code == 1
    assert "there is no folder" in done.stderr


@pytest.mark.slow
def test_an_interrupted_import_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "out" / "t.npz"
    target.parent.mkdir()
    target.write_bytes(b"before")
    os.mkfifo(tmp_path / "pipe")
    process = import_in_child(tmp_path / "pipe", target)
    with (tmp_path / "pipe").open("wb") as pipe:
        pipe.write(many_lines(20_000))  # much more than a pipe holds: it is being read
        pipe.flush()
        process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    assert target.read_bytes() == b"before"
    assert list(target.parent.iterdir()) == [target]


def test_numpy_alone_reads_the_file(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes(TEXT)
    import_text(tmp_path / "t.txt", tmp_path / "t.npz", kernel="6.12.0")
    with np.load(tmp_path / "t.npz") as file:
        assert file["ops"]["pfn"].tolist() == [0xFFFFF, 0xFFFFF]
        assert '"version": 1' in str(file["meta"])


def test_a_message_has_no_more_than_a_line(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes(b"\x1b[31m red \r alarm \x07\n")
    with pytest.raises(ImportTextError) as caught:
        import_text(tmp_path / "t.txt", tmp_path / "t.npz", kernel="6.12.0")
    assert str(caught.value).isprintable()

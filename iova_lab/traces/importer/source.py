"""How is a text read that may be packed, endless, or no text at all?

In pieces, and always as whole lines; what packed it is told from its first bytes, not its name.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from iova_lab.basics.errors import IovaLabError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_PIECE = 1 << 20
#: Where a binary file shows itself; damaged text may have a zero later.
_BEGINNING = 1 << 16
_STDIN = "-"

_PACKED: dict[bytes, tuple[str, Callable[[BinaryIO], io.BufferedIOBase]]] = {
    b"\x1f\x8b": ("gzip", lambda file: gzip.GzipFile(fileobj=file)),
    b"\xfd7zXZ\x00": ("xz", lzma.LZMAFile),
    b"\x28\xb5\x2f\xfd": ("zstd", zstd.ZstdFile),
    b"BZh": ("bzip2", bz2.BZ2File),
}
#: What people have at hand instead of the text, and what makes the text of it.
_OTHER = {
    b"\x17\x08\x44tracing": "trace-cmd's own file: trace-cmd report {0} > trace.txt makes the text",
    b"PERFILE2": "perf's own file: perf script -i {0} > trace.txt makes the text",
    b"PK\x03\x04": "a zip archive: unpack it; or, if it is a trace file already (.npz), use it",
    b"\x93NUMPY": "a NumPy array, not the text of a tracing tool",
    b"\xff\xfe": "UTF-16: iconv -f UTF-16 -t UTF-8 {0} > trace.txt makes it readable",
}


class ImportTextError(IovaLabError, ValueError):
    """A text that cannot be imported; the message is one line: the text, the place, the reason."""


class Source:
    """An open text: its `lines`, and how far they have been read."""

    def __init__(self, name: str, raw: BinaryIO, size: int | None) -> None:
        self.name, self.size = name, size
        self._raw = raw
        self.nr_read = 0

    def lines(
        self, on_progress: Callable[[int], object] = lambda nr_bytes: None
    ) -> Iterator[bytes]:
        """Lines without their ends, a last one that has none with `CUT`.

        ``on_progress`` gets the bytes read.  Raises `ImportTextError`.
        """
        counted = _Counted(self._raw)
        head = counted.peek()
        packer, unpack = next(
            (how for magic, how in _PACKED.items() if head.startswith(magic)), ("", None)
        )
        try:
            file = unpack(cast(BinaryIO, counted)) if unpack else counted
            yield from self._lines(file, counted, on_progress)
        except (EOFError, lzma.LZMAError, zlib.error, zstd.ZstdError, gzip.BadGzipFile) as error:
            raise ImportTextError(
                f"{self.name}: {packer} data that ends too early or is damaged, after "
                f"{self.nr_read:,} bytes of text: {error}"
            ) from None
        except OSError as error:
            if packer and not error.errno:  # bz2 says it so
                raise ImportTextError(f"{self.name}: damaged {packer} data: {error}") from None
            raise

    def _lines(
        self, file: io.BufferedIOBase, counted: _Counted, on_progress: Callable[[int], object]
    ) -> Iterator[bytes]:
        rest = b""
        while piece := file.read(_PIECE):
            if not self.nr_read:
                self._check(piece)
            self.nr_read += len(piece)
            *whole, rest = (rest + piece).split(b"\n")
            yield from whole
            on_progress(counted.nr_read)
            if len(rest) > _PIECE:
                raise ImportTextError(f"{self.name}: a line of more than {_PIECE:,} bytes: no text")
        if not self.nr_read:
            raise ImportTextError(f"{self.name}: empty: nothing was recorded, or nothing arrived")
        if rest:
            yield rest + CUT

    def _check(self, piece: bytes) -> None:
        for magic, what in _OTHER.items():
            if piece.startswith(magic):
                raise ImportTextError(f"{self.name}: {what.format(self.name)}")
        at = piece.find(b"\0", 0, _BEGINNING)
        if at >= 0:
            raise ImportTextError(f"{self.name}: a binary file: byte {at:,} is zero; text is read")


#: Ends a last line that has no end of its own.
CUT = b"\0"


class _Counted(io.BufferedIOBase):
    """A binary file that counts what has been read of it."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._head = b""
        self.nr_read = 0

    def readable(self) -> bool:
        return True

    def peek(self) -> bytes:
        self._head = self._raw.read(_PIECE)
        return self._head

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            data, self._head = self._head + self._raw.read(), b""
        elif self._head:
            data, self._head = self._head[:size], self._head[size:]
        else:
            data = self._raw.read(size)
        self.nr_read += len(data)
        return data

    read1 = read


@contextmanager
def open_source(path: Path | str) -> Iterator[Source]:
    """Open a file, or standard input for ``-``."""
    if str(path) == _STDIN:
        yield Source("standard input", sys.stdin.buffer, None)
        return
    path = Path(path)
    with path.open("rb") as file:
        size = path.stat().st_size if path.is_file() else None
        yield Source(str(path), file, size)

"""Fuzz the importer, guided by coverage: atheris, which is libFuzzer for Python.

    python -m tests.support.fuzz_run -runs=1000 build/fuzz/corpus

Arguments are libFuzzer's; what breaks the importer is written where -artifact_prefix says.
"""

from __future__ import annotations

import random
import sys
import tempfile
import zlib
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["iova_lab.traces.importer"]):
    from tests.support import fuzz_importer

#: One trace in so many is read again.
_READ = 8


def _mutate(data: bytes, max_size: int, seed: int) -> bytes:
    rng = random.Random(seed)
    changed = fuzz_importer.mutate(data, rng, lambda part: atheris.Mutate(part, len(part) + 32))
    return changed[:max_size]


def main() -> None:
    """Write the seeds into the corpus, the first argument that is no option, and go."""
    corpus = next((Path(word) for word in sys.argv[1:] if not word.startswith("-")), None)
    if corpus:
        corpus.mkdir(parents=True, exist_ok=True)
        for index, seed in enumerate(fuzz_importer.seeds()):
            (corpus / f"seed-{index}").write_bytes(seed)
    with tempfile.TemporaryDirectory(prefix="iova-lab-fuzz-") as folder:
        target = Path(folder) / "t.npz"

        def ask(data: bytes) -> None:
            if not data.isascii() and fuzz_importer.is_bomb(data):
                return
            # Reading the file takes longer than all that is under test.
            fuzz_importer.check_input(data, target, read=zlib.crc32(data) % _READ == 0)

        atheris.Setup(sys.argv, ask, custom_mutator=_mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()

"""Are 4 to 8 flag characters of tracefs read, and the interrupt among them?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from iova_lab.traces.file import IN_INTERRUPT, open_trace
from iova_lab.traces.importer import import_text

LINE = (
    "  fio-81 [003] {flags} 4181.203311: iova_alloc_fast: (iommu_dma_alloc_iova+0x9a/0x120 <-"
    " alloc_iova_fast) dom=0xff11000101122018 size=0x1 limit=0xfffff pfn=0xffffe\n"
)


@pytest.mark.parametrize("flags", ["d.h.", "d.h1.", "d.h1..", "d..h1..", "d..h1.2."])
@pytest.mark.parametrize("interrupt", [True, False])
def test_every_layout_of_flags_is_imported(flags: str, interrupt: bool, tmp_path: Path) -> None:
    shown = flags if interrupt else flags.replace("h", ".")
    (tmp_path / "trace.txt").write_text(LINE.format(flags=shown))
    import_text(str(tmp_path / "trace.txt"), tmp_path / "t.npz", kernel="6.12")
    rows = np.concatenate(list(open_trace(tmp_path / "t.npz").pieces()))
    assert len(rows) == 1
    assert bool(rows["flags"][0] & IN_INTERRUPT) == interrupt

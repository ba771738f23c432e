"""Events that have no limit, as each tool prints them; and the same requests in columns.

Names, addresses and times are made up.  Each text has two allocations and the free of the second;
the larger one is above 4 GiB, and is mapped in two pieces where a piece is an event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_PIECES = (
    ("map", "0x00003fffffc00000 - 0x00003fffffe00000", "2097152"),
    ("map", "0x00003fffffe00000 - 0x0000400000000000", "2097152"),
    ("map", "0x00000000ffff0000 - 0x00000000ffff8000", "32768"),
    ("unmap", "0x00000000ffff0000 - 0x00000000ffff8000", "32768"),
)
_TAIL = {"map": " paddr=0x00000001a9400000", "unmap": ""}


def _iommu(line: str, group: str = "") -> str:
    return "".join(
        line.format(
            us=at, event=f"{group}{name}", rest=f"IOMMU: iova={span}{_TAIL[name]} size={size}"
        )
        + (" unmapped_size=32768\n" if name == "unmap" else "\n")
        for at, (name, span, size) in enumerate(_PIECES)
    )


def tracefs(flags: str = ".....") -> str:
    """As /sys/kernel/tracing/trace has them, with so many flags."""
    return _iommu("        demo-2201    [004] " + flags + " 50.12642{us}: {event}: {rest}")


_BABEL = (
    "[00:00:50.12642{us}000] (+0.000001000) iommu:{event}: {{ cpu_id = 4 }}, {{ perf_ip = 0x1, "
)


def _babeltrace() -> str:
    found = ""
    for at, (name, span, size) in enumerate(_PIECES):
        head = _BABEL.format(us=at, event=name)
        start = int(span.split(" - ")[0], 16)
        found += f"{head}perf_tid = 2201, iova = {start}, paddr = 1, size = {size} }}\n"
    return found


_SAMPLE = """\
		{{
			"timestamp": 5012642{at}000,
			"pid": 2201,
			"tid": 2201,
			"cpu": 4,
			"comm": "demo",
			"callchain": [
				{{
					"ip": "0xffffffff81234567",
					"symbol": "iommu_map",
					"dso": "[kernel.kallsyms]"
				}}
			],
			{fields}
		}}"""


def _perf_json() -> str:
    samples = []
    for name, span, size in _PIECES:
        start = int(span.split(" - ")[0], 16)
        beside = {"paddr": 7143948288} if name == "map" else {"unmapped_size": size}
        samples.append({"iova": start, "size": size, **beside})
    return perf_json(samples)


def perf_json(samples: Sequence[Mapping[str, object]]) -> str:
    """As `perf data convert --to-json` writes samples of tracepoints with these fields."""
    texts = [
        _SAMPLE.format(
            at=at,
            fields=",\n\t\t\t".join(f'"{key}": "{value}"' for key, value in fields.items()),
        )
        for at, fields in enumerate(samples)
    ]
    return (
        '{\n\t"linux-perf-json-version": 1,\n\t"headers": {\n\t\t"hostname": "demo",\n'
        '\t\t"os-release": "6.12.9",\n\t\t"cmdline": [\n\t\t\t"perf"\n\t\t]\n\t},\n\t"samples": [\n'
        + ",\n".join(texts)
        + "\n\t]\n}\n"
    )


IOMMU = {
    "tracefs": tracefs(),
    "trace-cmd": _iommu("            demo-2201  [004]    50.12642{us}: {event}:     {rest}"),
    "perf JSON": _perf_json(),
    "perf script": _iommu("demo  2201 [004]    50.12642{us}: {event}: {rest}", "iommu:"),
    "babeltrace": _babeltrace(),
}

#: dma events, as babeltrace prints the fields of each.
DMA_BABELTRACE = """\
[2026-11-29 00:01:17.100001000] (+?.?????????) demo dma:dma_map_phys: { cpu_id = 2 }, { perf_ip = 0xFFFFFFFF81234567, perf_tid = 119, perf_pid = 119, perf_id = 18, perf_period = 1, common_type = 301, device = "0000:03:00.0", phys_addr = 4475060224, dma_addr = 4294963200, size = 0x800, dir = 2, attrs = 0x0 }
[2026-11-29 00:01:17.100002000] (+0.000001000) demo dma:dma_unmap_phys: { cpu_id = 2 }, { perf_ip = 0xFFFFFFFF81234567, perf_tid = 119, perf_pid = 119, perf_id = 18, perf_period = 1, common_type = 302, device = "0000:03:00.0", addr = 4294963200, size = 0x800, dir = 2, attrs = 0x0 }
"""  # noqa: E501
DMA_6_12 = """\
  demo/u9:2-119 [002] ..... 77.100001: dma_map_page: 0000:03:00.0 dir=FROM_DEVICE dma_addr=fffff000 size=2048 phys_addr=10b2c0000 attrs=
  demo/u9:2-119 [002] ..... 77.100002: dma_map_sg: 0000:04:00.0 dir=TO_DEVICE dma_addrs={0xffffc000,0xffffd000} sizes={4096,8192} phys_addrs={0x10b2d0000,0x10b2e0000} attrs=
  demo/u9:2-119 [002] ..s1. 77.100003: dma_unmap_sg: 0000:04:00.0 dir=TO_DEVICE phys_addrs={0x10b2d0000,0x10b2e0000} attrs=
  demo/u9:2-119 [002] ..... 77.100004: dma_unmap_page: 0000:03:00.0 dir=FROM_DEVICE dma_addr=fffff000 size=2048 attrs=
"""  # noqa: E501
DMA_7_3 = """\
  demo/u9:2-119 [002] ..... 77.100001: dma_map_phys: 0000:03:00.0 dir=FROM_DEVICE dma_addr=fffff000 size=2048 phys_addr=10b2c0000 attrs=
  demo/u9:2-119 [002] ..... 77.100002: dma_map_sg: 0000:04:00.0 dir=TO_DEVICE nents=2/2 ents=1/1 dma_addrs={0xffffc000,0xffffd000} sizes={4096,8192} phys_addrs={0x10b2d0000,0x10b2e0000} attrs=
  demo/u9:2-119 [002] ..s1. 77.100003: dma_unmap_sg: 0000:04:00.0 dir=TO_DEVICE phys_addrs={0x10b2d0000,0x10b2e0000} attrs=
  demo/u9:2-119 [002] ..... 77.100004: dma_unmap_phys: 0000:03:00.0 dir=FROM_DEVICE dma_addr=fffff000 size=2048 attrs=
"""  # noqa: E501

COLUMNS = """\
# a comment
ts,cpu,dom,op,pfn,size,limit
50.126420,4,nvme0,alloc,0x3fffffc00,1024,0x3ffffffff
50.126421,4,nvme0,alloc,0xffff0,8,0xfffff
50.126422,4,nvme0,free,0xffff0,8,
"""
EVERY = {**IOMMU, "dma 6.12": DMA_6_12, "dma 7.3": DMA_7_3, "columns": COLUMNS}

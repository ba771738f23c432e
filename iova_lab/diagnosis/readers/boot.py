"""Messages of the kernel: its release, its CPUs, its IOMMU, and mappings that fail."""

from __future__ import annotations

import re

from iova_lab.diagnosis.readers import BaseReader
from iova_lab.diagnosis.seen import Place

_VERSION = re.compile(rb"(?:^|[\s:])Linux version (?P<release>\d+\.\d+\S{0,80})")
_UNAME = re.compile(rb"^(?:uname -r:?\s*|Linux \S+ )(?P<release>\d+\.\d+\.\d+\S{0,80})(?:\s|$)")
_CPUS = re.compile(
    rb"Brought up \d+ nodes?, (\d+) CPUs?|Total of (\d+) processors activated|nr_cpu_ids:(\d+)"
    rb"|Allowing (\d+) CPUs|^CPU\(s\):\s+(\d+)\s*$"
)
_COMMAND_LINE = re.compile(rb"(?:Kernel command|Command) line: (?P<words>.*)")
#: A message, the sign of it, and what it says in the lab's words.
_MESSAGES = (
    (
        rb"Default domain type: Passthrough",
        "passthrough",
        "devices use physical addresses (passthrough)",
    ),
    (rb"Default domain type: Translated", "iommu", "devices are translated by the IOMMU"),
    (rb"TLB invalidation policy: lazy", "lazy", "unmaps are collected (lazy mode)"),
    (rb"TLB invalidation policy: strict", "strict", "each unmap invalidates at once (strict mode)"),
    (
        rb"Using (?:64|\d\d)-bit DMA addresses",
        "full_32bit",
        "a device got no address below 4 GiB any more",
    ),
    (
        rb"swiotlb buffer is full|swiotlb: coherent allocation failed|Out of SW-IOMMU space",
        "swiotlb_full",
        "the bounce buffer is full",
    ),
    (
        rb"DMAR: .{0,8}DMA (?:Read|Write).{0,200}[Ff]ault|IO_PAGE_FAULT|Unhandled context fault"
        rb"|arm-smmu-v3 .{0,80}(?:event 0x10|F_TRANSLATION)|DMAR:.{0,40}PTE (?:Read|Write) access",
        "io_page_fault",
        "the IOMMU rejected an access of a device",
    ),
    (
        rb"[Cc]ompletion-[Ww]ait loop timed out|CMD_SYNC timeout|QI_IWD|Invalidation Time-out Error"
        rb"|IOTLB_INV_TIMEOUT",
        "completion_timeout",
        "the IOMMU did not complete a command in time",
    ),
    (
        rb"Allocating \d+-page iova for .{1,60} failed|[Ff]ailed to allocate (?:an )?(?:iova|IOVA)"
        rb"|IOVA (?:allocation|alloc) failed|iova (?:allocation|alloc) failed|out of iova"
        rb"|alloc_iova failed",
        "map_fails",
        "an allocation of a range failed",
    ),
    (
        rb"DMA map(?:ping)? (?:failed|error)|dma_map\w* (?:failed|error)|[Ff]ailed to (?:DMA )?map"
        rb"|DMA mapping error|TX DMA map failed|rx dma map failed|[Uu]nable to map (?:data|DMA)"
        rb"|dma mapping failed",
        "driver_map_fails",
        "a driver could not map memory for its device",
    ),
    (rb"Adding to iommu group \d+", "iommu", "devices have IOMMU groups"),
    (rb"(?:AMD-Vi|DMAR|arm-smmu\S*|iommu)\b.{0,60}", "iommu", ""),
)
_COMPILED = [(re.compile(pattern), sign, says) for pattern, sign, says in _MESSAGES]
#: The kernel's source in a patch: it has the same words.
_SOURCE = re.compile(rb'\w\("|\\n"|^[-+ ]\t')
_OPTIONS = (
    (rb"iommu\.forcedac=(?:1|y|true|on)|intel_iommu=\S*forcedac|iommu=\S*forcedac", "forcedac"),
    (rb"iommu\.strict=(?:1|y|on)|intel_iommu=\S*strict|amd_iommu=fullflush", "strict"),
    (rb"iommu\.strict=(?:0|n|off)", "lazy"),
    (rb"iommu\.passthrough=(?:1|y|on)|(?<!\S)iommu=pt(?!\S)|iommu=\S*,pt", "passthrough"),
)
_SAYS = {
    "forcedac": "the command line has iommu.forcedac=1: no request begins below 4 GiB on purpose",
    "strict": "the command line selects strict mode",
    "lazy": "the command line selects lazy mode",
    "passthrough": "the command line selects passthrough: most devices have no IOVA",
}


class Reader(BaseReader):
    """See the package's docstring."""

    KIND = "kernel messages of the IOMMU"
    WORDS = (
        *(b"Linux version", b"CPUs", b"nr_cpu_ids", b"ommand line:", b"iommu", b"IOMMU", b"AMD-Vi"),
        *(b"DMAR", b"smmu", b"swiotlb", b"DMA ", b"dma", b"iova", b"IOVA", b"to map", b"CPU(s):"),
        *(b"uname", b"Linux "),
    )

    _said = False

    def take(self, line: bytes, number: int) -> bool:
        """Read one message."""
        if len(line) > 4096 or b"%" in line[:12] or _SOURCE.search(line):
            return False
        if match := _VERSION.search(line) or _UNAME.match(line):
            self.seen.recognised("kernel messages")
            self.named(match["release"], line, number)
        if match := _CPUS.search(line):
            cpus = int(next(part for part in match.groups() if part)[:7])
            if 0 < cpus < 1 << 16:
                self.seen.machine.cpus = cpus
        if match := _COMMAND_LINE.search(line):
            self._options(match["words"], self.place(line, number))
            return False
        for pattern, sign, says in _COMPILED:
            if match := pattern.search(line):
                self._message(sign, says, line, number)
                break
        return False

    def _message(self, sign: str, says: str, line: bytes, number: int) -> None:
        if sign == "iommu" and not says:
            if not re.search(rb"(?:AMD-Vi|DMAR|arm-smmu\S*): |iommu: ", line):
                return
            says = "messages of the IOMMU"
        if not self._said:
            self._said = True
            self.seen.recognised(self.KIND)
        self.seen.add(sign, says, [self.place(line, number)])

    def _options(self, words: bytes, place: Place) -> None:
        for pattern, sign in _OPTIONS:
            if re.search(pattern, words):
                self.seen.add(sign, _SAYS[sign], [place])

"""What does a report with a stack say: which part of the kernel was at work?"""

from __future__ import annotations

from dataclasses import dataclass, field

from iova_lab.diagnosis.functions import (
    ALLOC,
    FREE,
    GENERIC,
    INVALIDATION,
    IOVA,
    LOCK,
    MEMORY,
    OTHER,
    class_of,
    plain,
)
from iova_lab.diagnosis.seen import Place, Seen

#: The reports that describe a wrong access or a failed assertion.
FAULTS = ("KASAN report", "oops", "warning")
#: A tree of 2^20 ranges is searched in 33 ms at most; a queue of a thousand CPUs takes half a
#: minute of that.  A CPU that is in the search for longer does not end.
ENDLESS_S = 120

#: Signs of a stall, and of a stack without the report around it, by the part that was at work.
_AT_WORK = {
    ALLOC: ("stall_in_alloc", "stack_in_alloc"),
    FREE: ("stall_in_free", "stack_in_free"),
    INVALIDATION: ("stall_in_invalidation", "stall_in_invalidation"),
}

_DMA_API = ("iommu_dma_", "__iommu_dma", "dma_map_", "__dma_map", "dma_unmap", "dma_ops_", "map_sg")
_KEEPERS = {
    *("__cached_rbnode_delete_update", "__cached_rbnode_insert_update", "__get_cached_rbnode"),
    *("__alloc_and_insert_iova_range", "alloc_iova", "private_free_iova", "remove_iova"),
}


@dataclass(frozen=True)
class Frame:
    """One function of a stack; not ``sure`` where the unwinder put a question mark."""

    name: str
    sure: bool
    module: str
    place: Place

    @property
    def part(self) -> str:
        """Its class."""
        return class_of(self.name)


@dataclass
class Report:
    """A report as it was read."""

    kind: str
    header: Place
    cpu: int | None = None
    seconds: int | None = None
    jiffies: int | None = None
    comm: str = ""
    what: str = ""
    at: str = ""
    pointer: Frame | None = None
    link: Frame | None = None
    frames: list[Frame] = field(default_factory=list)

    @property
    def stack(self) -> list[Frame]:
        """The frames that are sure, the innermost first, the instruction pointer among them."""
        sure = [one for one in self.frames if one.sure]
        if self.pointer and (not sure or plain(sure[0].name) != plain(self.pointer.name)):
            sure.insert(0, self.pointer)
        link = self.link
        if link and sure and sure[0].part == LOCK and link.name not in (one.name for one in sure):
            sure.insert(1, link)
        return sure

    def top(self) -> Frame | None:
        """The innermost frame that says where it was: no lock, no interrupt, no helper."""
        return next((one for one in self.stack if one.part not in (LOCK, GENERIC)), None)

    def waits(self) -> bool:
        """Is the innermost frame a lock that is being waited for?"""
        inner = next((one for one in self.stack if one.part != GENERIC), None)
        return inner is not None and inner.part == LOCK and "unlock" not in inner.name

    def named(self) -> str:
        """The report in words."""
        words = self.kind
        if self.cpu is not None:
            words += f" on CPU {self.cpu}"
        if self.seconds:
            words += f", {'more than ' if self.kind == 'hung task' else ''}{self.seconds} s"
        if self.jiffies:
            words += f", {self.jiffies:,} jiffies"
        return words + (f", task {self.comm}" if self.comm else "")


def note(seen: Seen, report: Report) -> None:
    """Note what a report says."""
    if report.kind == "stack" and report.top() is None:
        return
    if report.kind == "warning" and not report.at and not _is_iova(report):
        return
    seen.recognised(report.kind if report.kind != "stack" else "stack without its report")
    if report.cpu is not None:
        seen.cpu(report.cpu)
    if report.kind == "kmemleak report":
        _note_leak(seen, report)
    elif report.kind in FAULTS:
        _note_fault(seen, report)
    else:
        _note_stall(seen, report)


def _is_iova(report: Report) -> bool:
    return any(one.part in IOVA for one in report.stack) or "iova.c" in report.at


def _places(report: Report, frame: Frame | None) -> list[Place]:
    places = [report.header]
    if frame and frame.place != report.header:
        places.append(frame.place)
    return places


def _note_stall(seen: Seen, report: Report) -> None:
    top = report.top()
    every = {"cpu": report.cpu, "seconds": report.seconds, "jiffies": report.jiffies}
    numbers = {name: value for name, value in every.items() if value is not None}
    is_stack = report.kind == "stack"
    says = "a stack" if is_stack else report.named()
    if top is None:
        seen.add("stall_elsewhere", f"{says}: no readable stack", _places(report, None), numbers)
        return
    how = f"in {plain(top.name)}(){', waiting for a lock' if report.waits() else ''}"
    if top.part in _AT_WORK:
        sign = _AT_WORK[top.part][is_stack]
    elif top.part == MEMORY and _below(report, top) == ALLOC:
        sign = "memory_in_alloc_iova"
    elif is_stack:
        return
    else:
        sign = "stall_elsewhere"
    seen.add(sign, f"{says}: {how}", _places(report, top), numbers)
    if top.part in (ALLOC, FREE):
        _note_callers(seen, report)
    if sign == "stall_in_alloc" and (report.seconds or 0) >= ENDLESS_S and not report.waits():
        seen.add("endless_search", f"{says}: {how}", _places(report, top), numbers)


def _below(report: Report, top: Frame) -> str:
    """The class of the first frame below ``top`` that is of another class than it."""
    after = report.stack[report.stack.index(top) + 1 :]
    skipped = (MEMORY, LOCK, GENERIC)
    return next((one.part for one in after if one.part not in skipped), OTHER)


def _note_callers(seen: Seen, report: Report) -> None:
    stack = report.stack
    flush = next((one for one in stack if "iova_magazine_free_pfns" in one.name), None)
    if flush:
        text = "the stack frees a magazine into the tree (iova_magazine_free_pfns)"
        seen.add("magazine_flush", text, [flush.place])
    api = next((one for one in stack if one.name.startswith(_DMA_API)), None)
    if api:
        seen.add(
            "dma_api", f"the request comes through the DMA API ({plain(api.name)})", [api.place]
        )
        return
    inside = [at for at, one in enumerate(stack) if one.part in IOVA]
    caller = stack[inside[-1] + 1] if inside and inside[-1] + 1 < len(stack) else None
    if caller and caller.module:
        text = f"the driver {caller.module} calls the allocator itself ({caller.name})"
        seen.add("direct_alloc_iova", text, [caller.place])


def _note_fault(seen: Seen, report: Report) -> None:
    top = report.top()
    words = {"oops": report.what or report.at, "KASAN report": report.what, "warning": report.at}
    detail = words[report.kind]
    says = f"{report.kind} ({detail})" if detail else report.kind
    name = plain(top.name) if top else ""
    text = f"{says}{f' in {name}()' if name else ''}"
    places = _places(report, top)
    part = top.part if top else OTHER
    if "iova.c" in report.at or (report.at and name == "iova_magazine_free_pfns"):
        sign = "bug_in_magazine" if "magazine" in name or part == FREE else "fault_elsewhere"
    elif report.kind == "KASAN report" and "free" in report.what and name in _KEEPERS:
        sign = "uaf_cached_node"
    elif "NULL" in report.what and part == FREE:
        sign = "null_in_free"
    elif part == MEMORY and top and _below(report, top) == ALLOC:
        sign = "memory_in_alloc_iova"
    elif report.kind == "oops" and report.what and _walks(report):
        sign = "uaf_cached_node"
    else:
        sign = "fault_elsewhere"
    if sign == "fault_elsewhere" and part in IOVA:
        sign = "fault_in_allocator"
    seen.add(sign, text, places)


def _walks(report: Report) -> bool:
    """Is the innermost frame a step through the tree, or where the cached node is kept?"""
    inner = plain(report.stack[0].name) if report.stack else ""
    top = report.top()
    walks = inner in ("rb_next", "rb_prev", *_KEEPERS)
    return walks and top is not None and plain(top.name) in _KEEPERS


def _note_leak(seen: Seen, report: Report) -> None:
    names = [plain(one.name) for one in report.stack]
    iova = next((one for one in report.stack if one.part in IOVA or "iova" in one.name), None)
    text = f"kmemleak: {report.header.quote}"
    if iova is None:
        top = next((name for name in names if class_of(name) == OTHER), "an unknown function")
        seen.add("leak_elsewhere", f"{text}, allocated by {top}()", [report.header])
        return
    magazine = any("magazine" in name or "rcache" in name for name in names)
    magazine |= any(size in text for size in ("(size 1024)", "(size 2048)"))
    sign = "leak_of_magazine" if magazine else "leak_in_alloc"
    seen.add(sign, f"{text}, allocated by {plain(iova.name)}()", [report.header, iova.place])

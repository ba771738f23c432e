"""Which probes report every request to the allocator, and lose none?

From 6.9 on, fprobe events: arguments and return value in one record.  Before, kprobes a few bytes
past the entry, with the arguments still in their registers, and on every return instruction; probes
on the entry itself go through ftrace, with interrupts on, and what an interrupt then calls is lost.
Where the return instructions are, the kernel's own code says: `returns` reads it.
"""

from __future__ import annotations

import contextlib
import lzma
import re
import sys
import tempfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from iova_lab.kernel import KernelError, tools

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

#: Arguments by their place, per probed function; the event is called iova_ and the key.
CALLS = {
    "alloc_fast": ("alloc_iova_fast", {"dom": 1, "size": 2, "limit": 3}),
    "alloc": ("alloc_iova", {"dom": 1, "size": 2, "limit": 3, "aligned": 4}),
    "reserve": ("reserve_iova", {"dom": 1, "lo": 2, "hi": 3}),
}
#: These return nothing that matters.  remove_iova() is where every range leaves the tree.
ENTRIES = {
    "init": ("init_iova_domain", {"dom": 1, "granule": 2, "start": 3}),
    "put": ("put_iova_domain", {"dom": 1}),
    "free_fast": ("free_iova_fast", {"dom": 1, "pfn": 2, "size": 3}),
    "free": ("remove_iova", {"dom": 1}),
}
#: Where every range leaves the tree: since 5.12 or so, and what kernels before that have.
FREED_BY = ("remove_iova", "private_free_iova")
BPFTRACE = Path(__file__).with_name("iova.bt")
#: struct iova is an rb_node (three words), pfn_hi, pfn_lo.
_PFN_LO = 32
_RESULTS = {
    "alloc_fast": "pfn={}",
    "alloc": f"pfn=+{_PFN_LO}({{}})",
    "reserve": "ret={}",
}
#: By place, what an argument is called in an fprobe, and in a kprobe near the entry.
_ARGUMENTS = ("$arg1", "$arg2", "$arg3", "$arg4")
_REGISTERS = ("%di", "%si", "%dx", "%cx")
_NARROW = {"aligned": ":u8"}
#: Where x86's kernel is linked to run; KASLR moves it.
_LINKED_AT = 0xFFFFFFFF81000000
#: Past the five bytes that ftrace owns.
_PAST_ENTRY = 5


def fprobes() -> list[str]:
    """Lines for dynamic_events, from 6.9 on."""
    lines = [
        f"f:iova/iova_{key} {function}%return {_fields(arguments, _ARGUMENTS)} "
        + _RESULTS[key].format("$retval")
        for key, (function, arguments) in CALLS.items()
    ]
    for key, (function, arguments) in ENTRIES.items():
        freed = f" pfn=+{_PFN_LO}($arg2)" if key == "free" else ""
        lines.append(f"f:iova/iova_{key} {function} {_fields(arguments, _ARGUMENTS)}{freed}")
    return lines


def _fields(arguments: Mapping[str, int], places: Sequence[str]) -> str:
    return " ".join(
        f"{name}={places[place - 1]}{_NARROW.get(name, '')}" for name, place in arguments.items()
    )


def bpftrace(freed_by: str = FREED_BY[0]) -> str:
    """A script for bpftrace; ``freed_by`` is one of `FREED_BY`."""
    return BPFTRACE.read_text(encoding="utf-8").replace(FREED_BY[0], freed_by)


def freed_by(symbols: Mapping[str, int]) -> str:
    """The function of `FREED_BY` that this kernel has.  Raises `KernelError`."""
    for function in FREED_BY:
        if function in symbols:
            return function
    raise KernelError(f"/proc/kallsyms has no {' and no '.join(FREED_BY)}: is it read as root?")


def kprobes(offsets: Mapping[str, list[int]], freed_by: str = FREED_BY[0]) -> list[str]:
    """Lines for kprobe_events, for any kernel; ``offsets`` has the returns of each function."""
    lines = []
    for key, (function, arguments) in (CALLS | ENTRIES).items():
        if function == FREED_BY[0]:
            function = freed_by
        freed = f" pfn=+{_PFN_LO}(%si)" if key == "free" else ""
        fields = _fields(arguments, _REGISTERS) + freed
        lines.append(f"p:iova/iova_{key} {function}+{_PAST_ENTRY} {fields}")
    for key, (function, _) in CALLS.items():
        for index, offset in enumerate(offsets[function]):
            event = f"iova_{key}_ret{index}"
            lines.append(f"p:iova/{event} {function}+{offset} {_RESULTS[key].format('%ax')}")
    return lines


# ---- where a function returns ----


def returns(vmlinuz: Path, symbols: Mapping[str, int]) -> dict[str, list[int]]:
    """Offsets of the return instructions of `CALLS`, from the kernel's image.

    ``symbols`` is what /proc/kallsyms says, `_text` too unless it was booted with nokaslr.  A
    return is a ``ret`` or a jump to the return thunk.  Raises `KernelError` where none is found,
    or a function ends in another one.
    """
    slide = symbols.get("_text", _LINKED_AT) - _LINKED_AT
    symbols = {name: address - slide for name, address in symbols.items()}
    absent = [function for function, _ in CALLS.values() if function not in symbols]
    if absent:
        raise KernelError(f"/proc/kallsyms has no {absent[0]}: is it read as root?")
    thunks = {f"{symbols[name]:x}" for name in symbols if name.endswith("return_thunk")}
    addresses = sorted(set(symbols.values()))
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "vmlinux"
        image.write_bytes(_vmlinux(vmlinuz))
        return {
            function: _returns(image, function, symbols[function], addresses, thunks)
            for function, _ in CALLS.values()
        }


def _returns(
    image: Path, function: str, begin: int, addresses: list[int], thunks: set[str]
) -> list[int]:
    end = next(address for address in addresses if address > begin)
    bounds = [f"--start-address={begin:#x}", f"--stop-address={end:#x}"]
    code = tools.run("objdump", ["--disassemble", "--no-show-raw-insn", *bounds, image])
    found = []
    for address, name, target in re.findall(r"^\s*([0-9a-f]+):\s+(\w+)\s*(?:0x)?(\w*)", code, re.M):
        jumps_out = name == "jmp" and re.fullmatch(r"[0-9a-f]+", target)
        if name.startswith("ret") or (jumps_out and target in thunks):
            found.append(int(address, 16) - begin)
        elif jumps_out and not begin <= int(target, 16) < end:
            raise KernelError(f"{function} ends in another function: its result can't be probed")
    if not 0 < len(found) < 10:
        raise KernelError(f"{function} has {len(found)} return instructions in this kernel's image")
    return found


def parse_kallsyms(text: str) -> dict[str, int]:
    """Names and addresses of /proc/kallsyms, of modules not."""
    found = re.findall(r"^([0-9a-f]{16}) \w (\S+)$", text, re.MULTILINE)
    return {name: int(address, 16) for address, name in found}


def _vmlinux(vmlinuz: Path) -> bytes:
    """The ELF file inside a compressed kernel image."""
    data = vmlinuz.read_bytes()
    for magic, unpack in _PACKED.items():
        for match in re.finditer(re.escape(magic), data):
            with contextlib.suppress(lzma.LZMAError, zlib.error, zstd.ZstdError):
                # Behind the packed file the image goes on.
                unpacked = unpack(data[match.start() :])
                if unpacked.startswith(b"\x7fELF"):
                    return unpacked
    raise KernelError(f"{vmlinuz} has no vmlinux inside that was packed with xz, gzip or zstd")


_PACKED: dict[bytes, Callable[[bytes], bytes]] = {
    b"\xfd7zXZ\x00": lambda data: lzma.LZMADecompressor().decompress(data),
    b"\x1f\x8b\x08": lambda data: zlib.decompressobj(31).decompress(data),
    b"\x28\xb5\x2f\xfd": lambda data: zstd.ZstdDecompressor().decompress(data),
}

"""What do real drivers ask of a real kernel's allocator?

Boots a kernel behind an emulated VT-d IOMMU, with NVMe, AHCI, USB, virtio and e1000e devices, loads
their drivers, does I/O, and records every request with its result by probes that lose none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from iova_lab.kernel import KernelError, image, probes, tools
from iova_lab.kernel.files import Kernel, run_folder
from iova_lab.kernel.io_devices import drive
from iova_lab.kernel.layout import version
from iova_lab.kernel.machine import Machine

_SCRIPTS = Path(__file__).with_name("guest")


@dataclass(frozen=True)
class Device:
    """Emulated hardware that does I/O: its drivers, its disks on the host, QEMU's arguments."""

    drivers: tuple[str, ...]
    disks: tuple[str, ...]
    arguments: tuple[str, ...]


_MODERN = "iommu_platform=on,disable-legacy=on"
#: What can stand behind the IOMMU.
DEVICES = {
    "nvme": Device(
        ("nvme",),
        ("nvme0", "nvme1"),
        ("nvme,drive=nvme0,serial=n0,addr=03.0", "nvme,drive=nvme1,serial=n1,addr=04.0"),
    ),
    "virtio": Device((), ("virtio",), (f"virtio-blk-pci,drive=virtio,addr=05.0,{_MODERN}",)),
    "ahci": Device(
        ("ahci", "sd_mod"),
        ("ahci",),
        ("ich9-ahci,id=sata,addr=06.0", "ide-hd,drive=ahci,bus=sata.0"),
    ),
    "usb": Device(
        ("xhci_pci", "usb_storage", "sd_mod"),
        ("usb",),
        ("qemu-xhci,id=xhci,addr=07.0", "usb-storage,drive=usb,bus=xhci.0"),
    ),
    "net": Device(
        ("e1000e", "virtio_net"),
        (),
        ("e1000e,netdev=wire,addr=08.0", f"virtio-net-pci,netdev=virt,addr=09.0,{_MODERN}"),
    ),
}
#: Disks that the guest has by these names; the others are /dev/sda and so on, in this order.
_NAMED = {"nvme0": "/dev/nvme0n1", "nvme1": "/dev/nvme1n1"}
_SCSI = ("ahci", "usb")
#: What ext4 of older kernels takes from their crypto by name; later ones have no such module.
_CHECKSUM = "crc32c_generic"
FIRST = ("virtio_pci", "virtio_blk")
_DISK_BYTES = 64 << 20
_OUT_BYTES = 2 << 30  # sparse
#: What the guest says as it goes on; the last word comes when all is written.
STEPS = "probes drivers 4k 16k 64k 128k 512k ext4 tcp written".split()
#: A CPU's stats: of the ring buffer; kprobe_profile: event, hits, misses.
_LOST = re.compile(r"(?:(?:commit )?overrun|dropped events): (\d+)|\s*iova_\w+\s+\d+\s+(\d+)\s*$")
_SYMBOLS = r"(return_thunk| alloc_iova_fast| alloc_iova| reserve_iova)$"


def record(
    kernel: Kernel,
    text: Path,
    *,
    scale: int = 8,
    cpus: int = 2,
    jobs: int = 2,
    devices: Sequence[str] = tuple(DEVICES),
    on_progress: Callable[[str], object] = lambda step: None,
) -> int:
    """Write tracefs' own text into ``text``; ``scale`` multiplies the I/O of a disk.

    So many ``jobs`` at once share it.  ``devices`` are keys of `DEVICES`.  With one CPU, requests
    are recorded in the order in which they took the lock, but for calls that an interrupt kept from
    returning (`iova_lab.traces.agreement`).  Returns how many records the kernel says that it lost.
    Raises `KernelError` if the guest does not come to its end.
    """
    drivers = [driver for name in devices for driver in DEVICES[name].drivers]
    if "nvme" in devices:
        drivers += ["ext4", *({_CHECKSUM} & kernel.dependencies.keys())]
    settings = {"scale": scale, "jobs": jobs}
    with run_folder() as folder:
        run_guest(
            *(kernel, folder, "record", settings, STEPS[-1], drivers, on_progress),
            cpus=cpus,
            devices=devices,
        )
        unpad(folder / "out", text)
        return _nr_lost(text)


def kprobes_of(kernel: Kernel, folder: Path) -> list[str]:
    """Where this kernel's functions return, it has to be asked: symbols are known to it alone."""
    script = f"grep -A1 -E '{_SYMBOLS}' /proc/kallsyms\n"
    initramfs = image.make(folder / "symbols", kernel, script)
    console = Machine(kernel, initramfs, "loglevel=4").lines()
    symbols = probes.parse_kallsyms("\n".join(console))
    return probes.kprobes(probes.returns(kernel.vmlinuz, symbols))


def run_guest(
    kernel: Kernel,
    folder: Path,
    script: str,
    settings: Mapping[str, object],
    last: str,
    drivers: Sequence[str],
    on_progress: Callable[[str], object],
    *,
    files: Mapping[str, Path] = MappingProxyType({}),
    cpus: int = 2,
    devices: Sequence[str] = tuple(DEVICES),
) -> None:
    """Boot into a script of guest/, with probes and devices, until it says its ``last`` step.

    ``settings`` are variables of the script, ``files`` are copied into the guest, ``devices`` are
    keys of `DEVICES`.  What it records lies in ``folder`` then, at the beginning of the disk
    ``out``.  Raises `KernelError`.
    """
    # Such probes see a call's arguments and result at once.
    has_fprobes = version(kernel.release)[:2] >= [6, 9]
    probe_file = "dynamic_events" if has_fprobes else "kprobe_events"
    lines = probes.fprobes() if has_fprobes else kprobes_of(kernel, folder)
    (folder / "probes").write_text("\n".join(lines) + "\n")
    variables = [f"{name}={value}\n" for name, value in settings.items()]
    variables.append(f"disks='{' '.join(disks(devices))}'\n")
    texts = [(_SCRIPTS / f"{name}.sh").read_text() for name in ("common", "wire", script)]
    initramfs = image.make(
        folder / "initramfs",
        kernel,
        "".join([f"probe_file={probe_file}\n", *variables, *texts]),
        FIRST,
        {**files, "probes": folder / "probes"},
        later=drivers,
    )
    machine = Machine(
        kernel,
        initramfs,
        # A return probe that became a jump would run with interrupts on.
        "loglevel=4 sysctl.debug.kprobes-optimization=0",
        hardware(folder, devices),
        cpus=cpus,
        memory="3G",
        seconds=3600,
    )
    follow(machine, last, on_progress)


def follow(machine: Machine, last: str, on_progress: Callable[[str], object]) -> None:
    """Hand on what the guest says, step by step.  Raises `KernelError` if it ends before the last.

    Or if it says that it could not record.
    """
    said = ""
    for line in machine.lines():
        words = line.partition("iova_lab: ")[2]
        if words.startswith("step "):
            said = words.removeprefix("step ")
            on_progress(said)
        elif words:
            raise KernelError(f"the guest could not record: {words}")
    if said != last:
        raise KernelError(f"the guest ended after {said or 'nothing'}, before all was recorded")


def disks(devices: Sequence[str]) -> list[str]:
    """The guest's names of the disks of these devices that a driver has to find."""
    named = [_NAMED[disk] for name in devices for disk in DEVICES[name].disks if disk in _NAMED]
    return named + [f"/dev/sd{chr(ord('a') + i)}" for i, _ in enumerate(set(_SCSI) & {*devices})]


def hardware(folder: Path, devices: Sequence[str]) -> list[str]:
    """QEMU's arguments: all but the disk for the result stand behind the IOMMU."""
    # The board's own AHCI shares its IOMMU group: its domain can't be created anew.
    arguments = ["-machine", "sata=off"]
    names = [disk for name in devices for disk in DEVICES[name].disks]
    for name in names:
        arguments += drive(folder, name, _DISK_BYTES)
    if "nvme1" in names:
        tools.run("mke2fs", ["-q", "-t", "ext4", "-F", folder / "nvme1"])
    arguments += drive(folder, "out", _OUT_BYTES)
    there = [device for name in devices for device in DEVICES[name].arguments]
    for device in (*there, "virtio-blk-pci,drive=out,addr=1e.0"):
        arguments += ["-device", device]
    for name in ("wire", "virt") if "net" in devices else ():
        arguments += ["-netdev", f"hubport,id={name},hubid=0"]
    return arguments


def unpad(disk: Path, target: Path) -> None:
    """The text at the beginning of a disk: it ends where the zeros begin."""
    with disk.open("rb") as source, target.open("wb") as file:
        while chunk := source.read(1 << 20):
            text = chunk.rstrip(b"\0")
            file.write(text)
            if len(text) < len(chunk):
                break


def _nr_lost(text: Path) -> int:
    """Records that the ring buffers had no room for, and probes that the kernel missed."""
    lost = 0
    with text.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("#"):
                break
            if match := _LOST.match(line):
                lost += int(match[1] or match[2])
    return lost

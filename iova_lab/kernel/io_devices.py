"""What hardware the guest of `iova_lab.kernel.io` has, and which drivers it needs.

`drive` makes a disk for any guest.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from iova_lab.kernel import tools
from iova_lab.kernel.files import Kernel

#: Where a kernel has them; the checksum of ext4 became a part of it.
DRIVERS = "nvme e1000e virtio_pci virtio_net ext4 crc32c_generic".split()
#: Of a guest with an AHCI controller.
AHCI = "ahci"
AHCI_DRIVERS = (AHCI, "sd_mod")
#: What these loads do I/O on, and the file system's.
AHCI_DISK, NVME_DISK, _MOUNTED = "/dev/sda", "/dev/nvme0n1", "/dev/nvme1n1"
_DISK_BYTES = 256 << 20


def drivers(kernel: Kernel, loads: Collection[str] = ()) -> list[str]:
    """Those of `DRIVERS`, and of `AHCI_DRIVERS` if a load takes them, that a kernel has."""
    wanted = [*DRIVERS, *AHCI_DRIVERS] if AHCI in loads else DRIVERS
    return [name for name in wanted if name in kernel.dependencies]


def drive(folder: Path, name: str, nr_bytes: int) -> list[str]:
    """QEMU's arguments for a disk, which is made, of zeros, in ``folder``."""
    with (folder / name).open("wb") as file:
        file.truncate(nr_bytes)
    return ["-drive", f"file={folder / name},if=none,id={name},format=raw,cache=unsafe"]


def disks(loads: Collection[str] = ()) -> list[str]:
    """The disks that the drivers find."""
    return [NVME_DISK, _MOUNTED, *[AHCI_DISK] * (AHCI in loads)]


def arguments(folder: Path, loads: Collection[str] = ()) -> list[str]:
    """QEMU's arguments: disks and two network cards on one wire, all behind the IOMMU.

    Two NVMe disks; and one behind an AHCI controller, in front of them, if a load takes it.
    """
    # The board's own AHCI shares its IOMMU group with what is not removed.
    found = ["-machine", "sata=off"]
    if AHCI in loads:
        found += drive(folder, "sata0", _DISK_BYTES)
        found += ["-device", "ich9-ahci,id=sata,addr=02.0"]
        found += ["-device", "ide-hd,drive=sata0,bus=sata.0"]
    for index, name in enumerate(("nvme0", "nvme1")):
        found += drive(folder, name, _DISK_BYTES)
        found += ["-device", f"nvme,drive={name},serial=n{index},addr={3 + index:02}.0"]
    tools.run("mke2fs", ["-q", "-t", "ext4", "-F", folder / "nvme1"])
    for name, device in (
        ("wire", "e1000e,netdev=wire,addr=08.0"),
        ("virt", "virtio-net-pci,netdev=virt,addr=09.0,iommu_platform=on,disable-legacy=on"),
    ):
        found += ["-device", device, "-netdev", f"hubport,id={name},hubid=0"]
    return found

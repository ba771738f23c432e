"""Does a kernel that was built from source, with a configuration of its own, run the lab's module?

Only with ``pytest -m long``: it fetches Debian's source of the kernel (150 MB), and builds it.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from iova_lab import workloads
from iova_lab.debian import DebianError, apt, suites
from iova_lab.kernel import KernelError, fidelity, own, packages, tools
from iova_lab.kernel.replay import Job, replay

PACKAGE = "linux-source-6.12"
OPTIONS = (
    "64BIT SMP MODULES MODULE_UNLOAD TTY PRINTK BUG KALLSYMS SERIAL_8250 SERIAL_8250_CONSOLE "
    "BLK_DEV_INITRD BINFMT_ELF BINFMT_SCRIPT PROC_FS SYSFS DEVTMPFS MULTIUSER FUTEX PCI PCI_MSI "
    "ACPI IOMMU_SUPPORT INTEL_IOMMU"
).split()
#: Text of other machines and of drivers that are not built: half a gigabyte.
LEFT_OUT = (
    "*.rst",
    "*.dts*",
    "*/arch/[a-wyz]*/*.[chS]",
    "*/drivers/gpu/drm/*/*.[ch]",
    "*/drivers/media/*.[ch]",
    "*/drivers/net/*/*.[ch]",
    "*/drivers/staging/*.[ch]",
    "*/sound/*.[ch]",
    "*/tools/testing/*",
)

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module")
def source(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """Kernel source, unpacked."""
    asked = request.config.option.markexpr
    if "long" not in asked or "not long" in asked:
        pytest.skip("builds a kernel, minutes: pytest -m long tests/test_kernel_built.py")
    if lacking := tools.missing():
        pytest.skip(lacking)
    folder = tmp_path_factory.mktemp("source")
    try:
        deb = apt.download(_suite(), [PACKAGE], folder)[PACKAGE]
    except DebianError as error:
        pytest.skip(str(error))
    excluded = " ".join(f"--exclude='{pattern}'" for pattern in LEFT_OUT)
    member = f"./usr/src/{PACKAGE}.tar.xz"
    script = (
        f"dpkg-deb --fsys-tarfile {deb} | tar -xO {member} | "
        f"tar -xJ -C {folder} --strip-components=1 {excluded}"
    )
    subprocess.run(["sh", "-c", script], check=True)
    deb.unlink()
    yield folder
    subprocess.run(["rm", "-rf", folder], check=True)


def _suite() -> str:
    for suite in suites.in_order():
        if apt.packages(suite, PACKAGE.__eq__):
            return suite
    raise DebianError(f"no suite has {PACKAGE}")


def configure(source: Path, out: Path, options: list[str]) -> None:
    """Write the configuration that has ``options`` and what they select, and nothing else."""
    out.mkdir(exist_ok=True)
    wanted = out / "wanted"
    wanted.write_text("".join(f"CONFIG_{option}=y\n" for option in options))
    make(source, out, "allnoconfig", KCONFIG_ALLCONFIG=str(wanted))


def make(source: Path, out: Path, *targets: str, **variables: str) -> None:
    compiler = f"CC={tools.compiler_here()}"
    command = ["make", "-s", f"-j{os.cpu_count()}", f"O={out}", compiler, *targets]
    done = subprocess.run(
        command, cwd=source, env=os.environ | variables, capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"this machine can't build a kernel: {done.stderr.strip().splitlines()[-1]}")


def test_a_kernel_that_was_just_built(source: Path, tmp_path: Path) -> None:
    begun = time.monotonic()
    configure(source, tmp_path, OPTIONS)
    make(source, tmp_path, "bzImage", "modules")
    print(f"\nbuilt in {time.monotonic() - begun:.0f} s")
    found = packages.get(str(tmp_path))
    stream = workloads.generate("random_replace", 300)
    jobs = [Job(name, stream) for name in ("kernel", "mainline", "maple_kernel")]
    for result in replay(found, jobs, silence=300):
        assert result.error is None
        agreement = fidelity.addresses(result)
        assert not agreement.differs, agreement


def test_what_its_configuration_lacks_is_named(source: Path, tmp_path: Path) -> None:
    """By the options that kconfig itself writes."""
    without = {"SERIAL_8250_CONSOLE", "IOMMU_SUPPORT", "INTEL_IOMMU", "BLK_DEV_INITRD"}
    configure(source, tmp_path, [option for option in OPTIONS if option not in without])
    (tmp_path / own._BZIMAGE).parent.mkdir(parents=True)
    (tmp_path / own._BZIMAGE).touch()
    (tmp_path / "include/config").mkdir(exist_ok=True)
    (tmp_path / "include/config/kernel.release").write_text("6.12-lab\n")
    with pytest.raises(KernelError) as caught:
        packages.get(str(tmp_path))
    lines = str(caught.value).splitlines()
    for line, option in zip(lines, ("INTEL_IOMMU", "8250_CONSOLE", "BLK_DEV_INITRD"), strict=True):
        assert f"{option}=y" in line

"""How is a kernel booted, watched and always ended?

In QEMU without KVM: every instruction is emulated, so any machine will do, and with ``icount`` the
guest's clock counts instructions.  QEMU dies with its parent, whatever happens to that.

One thread emulates all CPUs in turn: with one each, QEMU 7.2 at times went on with an int3 that the
kernel had put into its text and taken out again (seen in 1 of 36 boots of 7.3 with two CPUs).  A
CPU that spins for a lock gives its turn away, by ``pause``.  With several CPUs the kernel is not
told that it is a guest: it would take locks that are not fair, unlike those of hardware.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from iova_lab.kernel import KernelError, tools
from iova_lab.kernel.files import Kernel

#: What the kernel says before it gives up, and when it does.
_TROUBLE = ("BUG: ", "Oops: ", "kernel BUG at", "general protection fault", "Kernel panic")
_CRASH = "Kernel panic"
#: An oops ends the guest: what runs after one proves nothing.  On a busy host an emulated timer is
#: late, which the kernel would take for a broken one.
_APPEND = "console=ttyS0 panic=-1 oops=panic nokaslr no_timer_check intel_iommu=on"
_ARGUMENTS = (
    "-machine q35,kernel-irqchip=split -accel tcg,thread=single -display none "
    "-serial stdio -monitor none -no-reboot -nodefaults -device intel-iommu,intremap=on"
).split()


class MachineError(KernelError):
    """The guest crashed or fell silent; ``console`` holds its last lines."""

    def __init__(self, message: str, console: list[str]) -> None:
        self.console = trouble(console) or console[-15:]
        super().__init__("\n".join([message, *self.console]))


@dataclass(frozen=True)
class Machine:
    """One guest: the kernel, what it boots into, and the hardware around it.

    ``icount``: one instruction takes one nanosecond of the guest's time, and one CPU is all it can
    have.  ``append`` goes to the kernel, ``arguments`` to QEMU.  ``silence`` is how many seconds
    the console may be without a new line, ``seconds`` how many all may take.
    """

    kernel: Kernel
    initramfs: Path
    append: str = ""
    arguments: Sequence[str] = ()
    cpus: int = 1
    memory: str = "2G"
    icount: bool = False
    silence: float = 600.0
    seconds: float = 86400.0

    def command(self) -> list[str]:
        """QEMU's command line: whoever runs it sees the guest's console."""
        command = [tools.need("qemu-system-x86_64"), *_ARGUMENTS, "-m", self.memory]
        command += ["-cpu", "max" if self.cpus == 1 else "max,-hypervisor"]
        command += ["-smp", str(self.cpus), "-kernel", str(self.kernel.vmlinuz)]
        command += ["-initrd", str(self.initramfs), "-append", f"{_APPEND} {self.append}".strip()]
        if self.icount:
            # Random numbers and the date come from nowhere else: each run is the same.
            command += ["-icount", "shift=0,sleep=off", "-seed", "1"]
            command += ["-rtc", "base=2026-01-01T00:00:00,clock=vm"]
        return [*command, *self.arguments]

    def lines(self) -> Iterator[str]:
        """Boot, and yield the console's lines until it powers off; whoever stops early ends it.

        Raises `MachineError` if the guest crashes, is silent too long, or takes too long.
        """
        so_far: list[str] = []
        with _process(self.command()) as process:
            for line in self._read(process, so_far):
                so_far.append(line)
                yield line
        if process in _stopped:
            _stopped.remove(process)
            raise KeyboardInterrupt
        if process.returncode:
            raise MachineError(f"QEMU ended with status {process.returncode}:", so_far)
        if any(_CRASH in line for line in so_far):
            raise MachineError("the guest's kernel crashed:", so_far)

    def _read(self, process: subprocess.Popen[bytes], so_far: list[str]) -> Iterator[str]:
        assert process.stdout is not None
        until = time.monotonic() + self.seconds
        rest = b""
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while True:
                patience = min(self.silence, until - time.monotonic())
                if patience <= 0 or not selector.select(patience):
                    silent = f"no line on its console for {self.silence:.0f} s"
                    is_late = time.monotonic() >= until
                    what = f"it ran for {self.seconds:.0f} s" if is_late else silent
                    raise MachineError(f"the guest was stopped: {what}; its last words:", so_far)
                data = os.read(process.stdout.fileno(), 1 << 16)
                *whole, rest = (rest + data).split(b"\n")
                yield from (line.decode(errors="replace").rstrip("\r") for line in whole)
                if not data:
                    break
        process.wait()
        if rest:
            yield rest.decode(errors="replace")


_running: set[subprocess.Popen[bytes]] = set()
_stopped: set[subprocess.Popen[bytes]] = set()


def stop_all() -> None:
    """End every guest of this process: whoever waits for one, in any thread, is interrupted."""
    for process in tuple(_running):
        _stopped.add(process)
        process.kill()


@contextmanager
def _process(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A child that ends with the block, and with its parent even if that is killed."""
    guarded = [tools.need("setpriv"), "--pdeathsig", "KILL", *command]
    with subprocess.Popen(
        guarded,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # a terminal's Ctrl-C is for us, and we end it
    ) as process:
        _running.add(process)
        try:
            yield process
        finally:
            _running.remove(process)
            process.kill()


def trouble(console: Sequence[str]) -> list[str]:
    """The lines from the kernel's first complaint on, at most 40; none if it has none."""
    for index, line in enumerate(console):
        if any(word in line for word in _TROUBLE):
            return list(console[index : index + 40])
    return []

"""What does a real, booted kernel answer to the same requests, and what does it cost there?

Getting there: `packages` fetches Debian's kernels, `module` builds the lab's module for one,
`image` makes what it boots into, `machine` boots it in QEMU and always ends it, `tools` knows which
programs that takes.  None of it needs root, and nothing in it touches the kernel of the host.

Asking: `replay` sends op streams in and takes answers out, through memory that `shared` lays out;
`fidelity` does that for everything, `lockup` drives the allocator until the kernel complains,
`record` has real drivers ask, under the probes of `probes`; `io` puts an allocator behind the DMA
API and has them do I/O through it.  `iova_lab.reports` say what came out.
"""

from iova_lab.basics.errors import IovaLabError


class KernelError(IovaLabError, RuntimeError):
    """Something around the booted kernel went wrong; the message says what, and how to mend it."""

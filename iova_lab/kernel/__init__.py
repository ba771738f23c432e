"""What does a real, booted kernel answer to the same requests, and what does it cost there?

`packages` fetches Debian's kernels, `module` builds the lab's module for one, `image` makes what it
boots into, `machine` boots it in QEMU and always ends it, `replay` sends op streams in and takes
answers out.  None of it needs root, and nothing in it touches the kernel of the host.
"""


class KernelError(RuntimeError):
    """Something around the booted kernel went wrong; the message says what, and how to mend it."""

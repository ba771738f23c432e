"""Debian's packages, fetched without a change to the machine's own apt.

`suites` lists the suites and writes the configuration that apt gets; `index` reads the lists of
packages; `apt` updates these lists, and fetches and unpacks packages.  All of it lies under
``build/debian/``.  Every list is signed by Debian's keyring, and every package is checked against
the SHA-256 in its list.
"""

from iova_lab.basics.errors import IovaLabError


class DebianError(IovaLabError, RuntimeError):
    """apt can't be run, has no such package, or the package is another; the message has it."""

"""What does asv call this machine?

asv tells a series of results by all that it stores about a machine, and asks the user for it.
This stores it unasked, with an operating system and a memory size that outlive the next kernel, and
with the C compiler, which asv does not record: times of two compilers are two series.
(`asv machine --yes --machine NAME` stores the name and no more, in asv 0.6.6.)
"""

from __future__ import annotations

import sys

from asv.machine import MachineCollection
from asv.util import UserError

from iova_lab.measuring import provenance


def remember(name: str) -> None:
    """Store this machine as ``name`` where asv looks.

    An entry that is there stays as it is, but for the compiler.
    """
    try:
        known = MachineCollection.load(name)
    except UserError:
        known = {}
    # Asked for the host's name, asv answers with its only entry, whatever that is called.
    if known.get("machine") != name:
        known = provenance.machine() | {"machine": name}
    MachineCollection.save(name, known | {"compiler": provenance.compiler_version()})


if __name__ == "__main__":
    remember(sys.argv[1])

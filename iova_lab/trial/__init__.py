"""Is somebody's own C file right, and if not, on what does it break?

``iova-lab try`` on the command line; from Python::

    from iova_lab import trial
    finding = trial.check("my_variant.c")       # None, or the first thing that is wrong
    print(finding)

A file is compiled, its table is read, its calls are held against a brute-force model (`model`),
its answers against the judge of the harness, its memory against sanitizers (`standalone`); what
breaks is shrunk by Hypothesis (`search`).  None of that needs pytest, and no op of the file runs in
this process.
"""

from iova_lab.trial.checks import CHECKS, check
from iova_lab.trial.finding import Finding
from iova_lab.trial.history import History

__all__ = ["CHECKS", "Finding", "History", "check"]

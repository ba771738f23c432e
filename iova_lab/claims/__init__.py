"""What has been claimed about these allocators in public, and does it hold here?

One module per family of claims, found by listing ``families``: every `Claim` in it is one.
A claim fixes in advance the rule that decides its verdict;
``rules.json`` holds what each rule was when it was fixed, and everything that changed since.
"""

from iova_lab.claims.claim import Claim, Finding, Quantity, Verdict, all_claims, find
from iova_lab.claims.measurement import Run
from iova_lab.claims.run import run_claim

__all__ = [
    "Claim",
    "Finding",
    "Quantity",
    "Run",
    "Verdict",
    "all_claims",
    "find",
    "run_claim",
]

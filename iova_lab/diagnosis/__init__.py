"""From a symptom to its cause: what people have is read, and known pathologies are held against it.

`readers` has one module for each kind of text; what they see are observations with their lines
(`seen`).  `matching` ranks the pathologies of iova_lab/pathologies by them, and `sections` writes
them in the order of docs/diagnose.md.

>>> from iova_lab.diagnosis import diagnose
>>> diagnose(["dmesg.txt"]).answer.verdict  # doctest: +SKIP
"""

from iova_lab.diagnosis.diagnosing import Diagnosis, diagnose
from iova_lab.diagnosis.matching import Fit, Match, Verdict
from iova_lab.diagnosis.seen import Observation, Place

__all__ = ["Diagnosis", "Fit", "Match", "Observation", "Place", "Verdict", "diagnose"]

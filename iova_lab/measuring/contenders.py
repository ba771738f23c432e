"""The lab's own proposal, what it would replace, and what else has been proposed."""

SUBJECT = "candidate"
TODAY = "mainline"
RIVALS = ("alignable", "augmented", "maple")

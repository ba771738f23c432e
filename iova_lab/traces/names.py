"""Which words do the trace commands take?  Apart, so that help needs no NumPy."""

LEVELS = ("auto", "tree", "fast")
NR_TIMINGS = 5
#: Of the requests of a recording that has none: bits, or each address shows them.
AUTO = "auto"
LIMITS = (AUTO, "32", "48", "64")
HOWS = ("same-domain", "domains")

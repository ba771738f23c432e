"""Which words do the trace commands take?  Apart, so that help needs no NumPy."""

LEVELS = ("auto", "tree", "fast")
NR_TIMINGS = 5
HOWS = ("same-domain", "domains")

"""How does the text of a tracing tool become a trace file?

`source` unpacks it, `text` reads a line of tracefs, trace-cmd, perf or bpftrace; `calls` turns what
the probes of docs/recording.md report into requests with their results; `write` makes the file of
it.  What is left out, and why, is counted and printed with the first line of each reason.

>>> from iova_lab.traces.importer import import_text
>>> import_text("trace.txt.xz", Path("trace.npz"), kernel="6.12.9").notes  # doctest: +SKIP
"""

from iova_lab.traces.importer.dropped import Dropped
from iova_lab.traces.importer.source import ImportTextError
from iova_lab.traces.importer.write import Imported, import_text

__all__ = ["Dropped", "ImportTextError", "Imported", "import_text"]

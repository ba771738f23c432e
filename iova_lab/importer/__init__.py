"""How does the text of a tracing tool become a trace file?

`text` reads a line of tracefs, trace-cmd, perf or bpftrace; `calls` turns what the probes of
docs/recording.md report into requests with their results; `write` makes the file of it.  What is
left out, and why, is counted and told.
"""

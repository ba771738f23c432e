"""The Python around the variants: op streams, workloads, traces, results, reports."""

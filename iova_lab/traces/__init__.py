"""Recorded traces: their file, import, summary, replay, scaling; and two of Debian kernels."""

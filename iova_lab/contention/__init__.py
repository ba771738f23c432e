"""What happens to hundreds of CPUs that want one allocator's lock?

Measured by threads where there are CPUs for them (`threaded`), simulated where there are none
(`model`) with what was measured here (`service`), and held against both what threads do and what
others have published (`validation`, `published`).
"""

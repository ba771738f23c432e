"""Have the candidate's C expressions the properties that docs/candidate.md claims, for all values?

`make proof` asks an SMT solver; docs/proof.md lists the statements and what they do not cover.
"""

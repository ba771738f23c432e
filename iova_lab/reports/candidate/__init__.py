"""Does the lab's own proposal win the common case, and has it no trap?

Everything that was measured of the candidate is read from results/ (`sources`), held against bars
that were set before there was a subject (`bars`), and against what a maintainer objects to
(`objections`); `page` puts it into words and a figure.
"""

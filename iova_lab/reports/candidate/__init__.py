"""Does the lab's own proposal win the common case, and has it no pathological workload?

Everything that was measured of the candidate is read from results/ (`sources`), held against the
acceptance criteria that were set before there was a subject (`criteria`), and against what a
maintainer objects to (`objections`); `page` puts it into words and a figure.
"""

"""Which op stream makes a variant as slow, or as wrong, as it can be?

A `genome` describes streams of every size, `score` replays one, `evolve` searches, and
`finds` shrinks what was found and fits its cost over live ranges.
"""

"""Delimited text and JSON records, read by a mapping that is guessed, shown to a person and kept per source.

`mapping` says which column is what, `guess` finds it out from a sample, `reading` reads by it. Below them:
`dialect` cuts text into rows and `records` JSON into records, `dates` and `words` read cells, `rows` makes
indicators of a row.
"""

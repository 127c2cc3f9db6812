"""STIX 2.1: split a bundle into its objects' own bytes, check them, find their observables.

`split` cuts, `check` judges, `observe` and `pattern` read values, `report` counts what was refused and
`schemas` says where the OASIS schemas are.
"""

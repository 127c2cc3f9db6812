"""The MISP core format, both ways (https://www.misp-standard.org/rfc/misp-standard-core.html).

Rules: this package stays empty of code. `read` makes STIX 2.1 objects of events, `write` an event of STIX
objects, `feed` reads and makes the two index files of a MISP feed; docs/reference/misp.md has the tables.
"""

"""Detection rules as STIX indicators whose pattern is the rule's own text: Sigma, YARA, Suricata and Snort.

Rules: a rule is kept to the byte and never run; what a reader understands of it (name, references, tags, dates, TLP)
stands beside it. Values inside a rule are not made into indicators: it says under which conditions they mean something.
"""

"""HTTP between nodes: listening, fetching that cannot be turned inwards, TLS pins, signed requests, problems.

Rules: nothing here knows of parties, accords or nodes; keys, clocks and permissions come in as values.
Whatever a stranger sends, the outcome is a value or one of `comity.errors`.
"""

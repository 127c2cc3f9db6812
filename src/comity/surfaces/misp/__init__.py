"""MISP's REST interface: what correspondents and own programs may see, as MISP events, and what they send."""

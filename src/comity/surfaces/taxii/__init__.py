"""A TAXII 2.1 server: what correspondents and this party's own programs may see, and what they send."""

"""Stores behind the ports of `comity.node`: SQLite by default, PostgreSQL for a national team."""

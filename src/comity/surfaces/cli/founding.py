"""What a new node is to be, as `comity init` was told."""

from __future__ import annotations

import msgspec


class Founding(msgspec.Struct, frozen=True, kw_only=True):
    """A party and its node; offices are written `id:kind:name`."""

    party: str
    name: str
    jurisdiction: str
    offices: tuple[str, ...]
    user: str
    languages: tuple[str, ...] = ("en",)
    time_zone: str = "Etc/UTC"
    address: str = ""
    listen: str = ""
    hosts: tuple[str, ...] = ()
    allow_networks: tuple[str, ...] = ()
    tls_certificate: str = ""
    tls_key: str = ""

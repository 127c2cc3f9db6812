"""Where a value stands in a STIX object, and so what kind of observable it is.

Rules: what a path names decides the kind; where the value does not fit it (an address written as a domain
name is common), what the value looks like does. Personal accounts are never indexed (design §5).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from comity.formats import observables
from comity.formats.observables import HASH_OF_LENGTH, Observable

_KINDS: Final = {
    "ipv4-addr:value": "ipv4",
    "ipv6-addr:value": "ipv6",
    "domain-name:value": "domain",
    "url:value": "url",
    "email-addr:value": "email",
    "mac-addr:value": "mac",
    "autonomous-system:number": "asn",
    "mutex:name": "mutex",
    "file:name": "file-name",
    "file:path": "file-path",
    "directory:path": "file-path",
    "process:name": "file-name",
    "windows-registry-key:key": "registry-key",
    "vulnerability:name": "cve",
    "cryptocurrency-wallet:value": "wallet",
    "user-agent:value": "user-agent",
}
_ADDRESS: Final = "address"  # of a kind that only the value shows
_SKIPPED: Final = "skipped"
_NETWORK: Final = frozenset({"ipv4", "ipv6", "domain", "url", _ADDRESS})
# Steps whose values describe a thing and do not single one out.
_DESCRIPTIVE: Final = frozenset(
    (
        *("type", "mime_type", "content_type", "account_type", "path_enc", "name_enc", "magic_number_hex"),
        *("protocols", "size", "is_active", "is_multipart", "src_port", "dst_port", "data_type"),
        *("integrity_level", "start_type", "service_type", "service_status", "pid"),
    )
)
_HASHES: Final = {
    "SSDEEP": re.compile("[a-zA-Z0-9/+:.]{1,128}"),
    **{
        name: re.compile(f"[0-9a-fA-F]{{{length}}}")
        for length, names in {
            32: ("MD5",),
            40: ("SHA1", "RIPEMD160"),
            56: ("SHA224", "SHA3224"),
            64: ("SHA256", "SHA3256"),
            96: ("SHA384", "SHA3384"),
            128: ("SHA512", "SHA3512", "WHIRLPOOL"),
        }.items()
        for name in names
    },
}
_ANYTHING: Final = re.compile(".*", re.DOTALL)
_INDEXED_HASHES: Final = frozenset({"MD5", "SHA1", "SHA256", "SHA512"})


def hash_form(path: str) -> re.Pattern[str]:
    """Return what a hash of the algorithm looks like that the last step of `path` names; anything, if it names none."""
    return _HASHES.get(path.rpartition(".")[2].upper().replace("-", ""), _ANYTHING)


@lru_cache(maxsize=1024)
def kind_at(type_name: str, path: str) -> str:
    """Return the kind of the value at a path; `address`, `text` or `skipped` where the path does not settle it."""
    whole = f"{type_name}:{path}"
    if whole in _KINDS:
        return _KINDS[whole]
    if type_name == "user-account" or "user_ref" in path:
        return _SKIPPED
    last = path.rpartition(".")[2]
    name = last.upper().replace("-", "").replace("_", "")
    if name in _INDEXED_HASHES:
        return "certificate" if type_name == "x509-certificate" or "cert" in path.lower() else name.lower()
    if last.lower() == "user-agent":
        return "user-agent"
    if last == "value" and ("_ref." in path or "_refs." in path):
        return _ADDRESS
    return _SKIPPED if last in _DESCRIPTIVE else "text"


def observable_at(type_name: str, path: str, value: str) -> Observable | None:
    """Return the observable that a value at a path is, in normal form; None where it is not worth finding."""
    kind = kind_at(type_name, path)
    found = observables.plain(value)
    if found is not None and (found.kind == kind or (kind in _NETWORK and found.kind in _NETWORK)):
        return found
    if kind == _SKIPPED:
        return None
    fitting = observables.normal(kind, value) if kind != _ADDRESS else None
    return fitting or _by_form(kind, value) or observables.normal("text", value)


def _by_form(kind: str, value: str) -> Observable | None:
    """Read a value that does not fit the kind its path names."""
    if kind in HASH_OF_LENGTH.values():
        return observables.normal(HASH_OF_LENGTH.get(len(value), kind), value)
    if kind not in _NETWORK:
        return None
    found = observables.network(value) or observables.normal("url", value)
    return found or observables.normal("email", value) or observables.normal("mac", value)

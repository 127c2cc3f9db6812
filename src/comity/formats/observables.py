"""Observables: values that can be seen on a network or a machine, in one normal form each.

Rules: the normal form of a value never depends on where it came from, so that what a person pastes, defanged
or not, and what a producer wrote meet in the same key. `recognise` answers for any text and raises nothing.
A kind's normal form is part of every index: changing one means folding the views again.
"""

from __future__ import annotations

import ipaddress
import re
from hashlib import sha256
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import idna

from comity.limits import OBSERVABLE_CHARS_MAX


class Observable(NamedTuple):
    """A value in the normal form of its kind."""

    kind: str
    value: str


KINDS: Final = (
    *("ipv4", "ipv6", "domain", "url", "email", "asn", "mac", "md5", "sha1", "sha256", "sha512", "certificate"),
    *("file-name", "file-path", "registry-key", "mutex", "user-agent", "cve", "text", "wallet"),
)
"""Every kind. `ipv4` and `ipv6` are addresses or prefixes; `certificate` is the hash of a certificate;
`text` is any value that a pattern compares with and that has no kind of its own."""

HASH_OF_LENGTH: Final = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
FREE_KINDS: Final = ("file-name", "file-path", "mutex", "user-agent", "text")
"""Kinds that any text may belong to: all are looked up when a text is nothing more precise."""

KEY_BYTES: Final = 16
_FINGERPRINTS: Final = (*HASH_OF_LENGTH.values(), "certificate")
_KEY_HEADS: Final = {kind: f"{'fingerprint' if kind in _FINGERPRINTS else kind}\0".encode() for kind in KINDS}

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = rf"(?:{_LABEL}\.)+(?:[a-z]{{2,63}}|xn--[a-z0-9-]{{1,59}})"
# What is in its normal form already: nearly all that bulk look-ups and patterns hold.
_PLAIN: Final = re.compile(
    rf"(?P<ipv4>(?:{_OCTET}\.){{3}}{_OCTET})"
    r"|(?P<hash>[0-9a-f]{32}(?:[0-9a-f]{8}|[0-9a-f]{32}|[0-9a-f]{96})?)"
    rf"|(?P<domain>(?=.{{4,253}}\Z){_NAME})"
    # No escape, port or bracket: those need a closer look.
    rf"|(?P<url>(?:https?|ftp)://{_NAME}/(?:[A-Za-z0-9._~!$&*+=:@/?-]*[A-Za-z0-9._~$&*+=/-])?)"
)
# The same for names of at most 63 characters, whose labels need no measuring: nothing in it goes back and tries again.
_QUICK_LABELS = r"(?:[a-z0-9_]++(?:-++[a-z0-9_]++)*+\.)++(?:[a-z]{2,63}|xn--[a-z0-9-]{1,59})"
_QUICK: Final = re.compile(
    rf"(?P<url>(?:https?|ftp)://(?=[^/]{{1,63}}/){_QUICK_LABELS}/"
    r"(?:[A-Za-z0-9._~!$&*+=:@/?-]*+(?<=[A-Za-z0-9._~$&*+=/-]))?+)"
    r"|(?P<hash>[0-9a-f]{32}(?:[0-9a-f]{8}|[0-9a-f]{32}|[0-9a-f]{96})?)"
    rf"|(?P<ipv4>(?:{_OCTET}\.){{3}}{_OCTET})"
    rf"|(?P<domain>{_QUICK_LABELS})"
)
_DOTTED: Final = re.compile(rf"(?:{_OCTET}\.){{3}}{_OCTET}")
_DOMAIN: Final = re.compile(rf"(?=.{{4,253}}\Z){_NAME}")
_MAC: Final = re.compile(r"[0-9a-f]{2}(?:([:-])[0-9a-f]{2})(?:\1[0-9a-f]{2}){4}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}")
_ASN: Final = re.compile(r"(?:asn?[ :-]?)([0-9]{1,10})", re.IGNORECASE)
_CVE: Final = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}", re.IGNORECASE)
_WALLET: Final = re.compile(  # Bitcoin and its kin, Ethereum and its kin, Monero
    r"(?P<base58>[13LMDX][1-9A-HJ-NP-Za-km-z]{25,34}|[48][1-9A-HJ-NP-Za-km-z]{94}|T[1-9A-HJ-NP-Za-km-z]{33})"
    r"|(?:bc|ltc)1[02-9ac-hj-np-z]{11,71}|(?:BC|LTC)1[02-9AC-HJ-NP-Z]{11,71}|0[xX][0-9a-fA-F]{40}"
)
_EMAIL: Final = re.compile(r"([^\s@<>\"(),:;\[\]\\]{1,64})@([^\s@]{1,253})")
_URL: Final = re.compile(r"([a-z][a-z0-9+.-]{1,30})://([^/?#\s]+)([^\s#]*)(#\S*)?", re.IGNORECASE)
_HOST_AND_REST: Final = re.compile(r"([^/?#\s:@]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?([/?#]\S*)?", re.IGNORECASE)
_REGISTRY: Final = re.compile(r"(hkey_[a-z_]+|hklm|hkcu|hkcr|hku|hkcc)(?=\\|\Z)", re.IGNORECASE)
_PATH: Final = re.compile(r"(?:[a-z]:\\|\\\\|%[a-z_]+%\\|~?/)\S", re.IGNORECASE)
_PERCENT: Final = re.compile(r"%[0-9a-fA-F]{2}")
_HIVES: Final = {
    "hklm": "hkey_local_machine",
    "hkcu": "hkey_current_user",
    "hkcr": "hkey_classes_root",
    "hku": "hkey_users",
    "hkcc": "hkey_current_config",
}
_PORTS: Final = {"http": "80", "https": "443", "ftp": "21"}
# Suffixes of files that a name of a host may have too: such a text is looked up as both.
_FILE_SUFFIXES: Final = frozenset(
    (
        *("7z", "apk", "bat", "bin", "cab", "class", "cmd", "cpl", "dat", "dll", "doc", "docm", "docx"),
        *("elf", "exe", "gz", "hta", "htm", "html", "img", "iso", "jar", "js", "jse", "lnk", "lua", "msi"),
        *("pdf", "php", "pl", "ps", "ppt", "pptx", "ps1", "py", "rar", "rb", "rs", "rtf", "scr", "sh", "so"),
        *("sys", "tar", "tmp", "vbe", "vbs", "wsf", "xls", "xlsb", "xlsm", "xlsx", "zip"),
    )
)

_INVISIBLE: Final = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))
_TURNING: Final = dict.fromkeys(map(ord, "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"))
_DOTS: Final = str.maketrans("。．｡․", "....")
_BRACKETED: Final = re.compile(
    r"[\[({<]\s*(?:(\.|dot|punkt|punto|point)|(@|at)|(:)|(://)|(/))\s*[\])}>]|(\\\.|\[\.|\.\])", re.IGNORECASE
)
_BRACKETED_AS: Final = (".", "@", ":", "://", "/", ".")
_SPACED: Final = re.compile(r"(?<=\S)\s+(?:(dot)|(at))\s+(?=\S)", re.IGNORECASE)
_SCHEME: Final = re.compile(r"\A(?:(h[tx*]{2}ps?)|(f[tx*]p))(?=\s*(?:\[?:|\(:))", re.IGNORECASE)


def key(observable: Observable) -> bytes:
    """Return the 16 bytes by which an observable is indexed: a cut SHA-256 over kind and value.

    Fingerprints have one key whatever they are of: nobody can tell a file's from a certificate's by its look,
    and one question then finds both.
    """
    kind, value = observable
    return sha256(_KEY_HEADS[kind] + value.encode("utf-8", "surrogatepass")).digest()[:KEY_BYTES]


def keyed(text: str) -> tuple[tuple[bytes, str, str], ...]:
    """Return what a text may be, as `recognise` does, as (key, kind, value); of two with one key the likelier stays."""
    found = _QUICK.fullmatch(text)
    if found is not None:
        group = found.lastgroup
        kind = HASH_OF_LENGTH[len(text)] if group == "hash" else group or ""
        if group != "domain" or (len(text) < 64 and text[text.rfind(".") + 1 :] not in _FILE_SUFFIXES):
            return ((sha256(_KEY_HEADS[kind] + text.encode()).digest()[:KEY_BYTES], kind, text),)
    meant: dict[bytes, Observable] = {}
    for observable in recognise(text):
        meant.setdefault(key(observable), observable)
    return tuple([(known, *observable) for known, observable in meant.items()])


def refang(text: str) -> str:
    """Undo what people do to keep a value from being clicked: `hxxp`, `[.]`, `(dot)`, `[at]`, wide dots."""
    text = text.strip().translate(_INVISIBLE).translate(_DOTS)
    text = _SCHEME.sub(lambda found: "ftp" if found[2] else ("https" if found[1][-1] in "sS" else "http"), text)
    text = _BRACKETED.sub(lambda found: _BRACKETED_AS[(found.lastindex or 1) - 1], text)
    text = _SPACED.sub(lambda found: "." if found[1] else "@", text)
    return text.strip(" \t\r\n\"'`<>,;")


def recognise(text: str) -> tuple[Observable, ...]:
    """Return what a typed or pasted text may be, the likeliest first; nothing for an empty or overlong text."""
    found = _PLAIN.fullmatch(text)
    if found is not None:
        return _plain(found, text)
    if len(text) > OBSERVABLE_CHARS_MAX:
        return ()
    text = text.strip().strip("\"'`")
    key_path = normal("registry-key", text)
    if key_path is not None:
        return (key_path,)
    if _PATH.match(text):
        return (Observable("file-path", _named(text)), Observable("file-name", _named(text)))
    clean = refang(text)
    if not clean:
        return ()
    found = _PLAIN.fullmatch(clean.lower())
    if found is not None and found.lastgroup != "url":  # the case of a path matters
        return _plain(found, found[0])
    # What stays free text keeps its brackets and words: they may be the value's own.
    precise = _structured(clean)
    written = normal("url", text)
    if written is not None and written not in precise:
        precise += (written,)  # brackets in a path may be the address's own
    # A wallet's address looks like many a word of code, so it is both.
    return precise or tuple(free for kind in ("wallet", *FREE_KINDS) if (free := normal(kind, text)) is not None)


def _plain(found: re.Match[str], text: str) -> tuple[Observable, ...]:
    kind = found.lastgroup
    if kind == "domain":
        if text[text.rfind(".") + 1 :] in _FILE_SUFFIXES:
            return (Observable("domain", text), Observable("file-name", text))
        return (Observable("domain", text),)
    if kind in {"ipv4", "url"}:
        return (Observable(kind, text),)
    # A fingerprint looks the same whether it is a file's or a certificate's.
    return (Observable(HASH_OF_LENGTH[len(text)], text), Observable("certificate", text))


def _structured(text: str) -> tuple[Observable, ...]:
    """Recognise what shows its kind by its form but was not in normal form."""
    for kind in ("url", "cve", "asn", "mac", "ipv4", "ipv6", "email"):
        observable = normal(kind, text)
        if observable is not None and (kind != "asn" or not text.isdigit()):
            return (observable,)
    low = text.lower()
    compact = low.replace(":", "").replace(" ", "")
    found = _PLAIN.fullmatch(compact)
    if found is not None and found.lastgroup == "hash":  # AA:BB:CC…, as certificates are shown
        return _plain(found, compact)
    domain = normal("domain", text)
    if domain is not None:
        return (domain,)
    return _bare_location(text)


def _bare_location(text: str) -> tuple[Observable, ...]:
    """Recognise `host:port` and `host/path` without a scheme."""
    found = _HOST_AND_REST.fullmatch(text)
    if found is None or not (found[2] or found[3]):
        return ()
    host = network(found[1].strip("[]"))
    if host is None:
        return ()
    if not found[3]:
        return (host,)
    urls = (normal("url", f"{scheme}://{text}") for scheme in ("http", "https"))
    return tuple(url for url in urls if url is not None)


def plain(text: str) -> Observable | None:
    """Return an address, domain name, URL or hash that stands in its normal form already; None for all else."""
    found = _PLAIN.fullmatch(text)
    if found is None:
        return None
    return Observable(HASH_OF_LENGTH[len(text)] if found.lastgroup == "hash" else found.lastgroup or "", text)


def network(text: str) -> Observable | None:
    """Return an address, a prefix or a domain name in normal form, by what it looks like."""
    return normal("ipv4", text) or normal("ipv6", text) or normal("domain", text)


def normal(kind: str, text: str) -> Observable | None:
    """Return `text` in the normal form of `kind`, or None where it cannot be of that kind. Does not refang."""
    if not 0 < len(text) <= OBSERVABLE_CHARS_MAX:
        return None
    value = _NORMAL[kind](text)
    return Observable(kind, value) if value else None


def _ipv4(text: str) -> str:
    return text if _DOTTED.fullmatch(text) else _address(text, 4)


def _ipv6(text: str) -> str:
    return _address(text.strip("[]"), 6)


def _address(text: str, version: int) -> str:
    if len(text) > 64 or (version == 6) != (":" in text):
        return ""
    try:
        if "/" not in text:
            address = ipaddress.ip_address(text)
            return "" if getattr(address, "scope_id", None) else str(address)
        prefix = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return ""
    alone = prefix.prefixlen == prefix.max_prefixlen
    return str(prefix.network_address) if alone else str(prefix)


def _domain(text: str) -> str:
    low = text.lower().removesuffix(".")
    if _DOMAIN.fullmatch(low):
        return low
    if low.isascii() or len(low) > 253:
        return ""
    try:
        low = idna.encode(low, uts46=True, transitional=False).decode("ascii").removesuffix(".")
    except (idna.IDNAError, UnicodeError):
        return ""
    return low if _DOMAIN.fullmatch(low) else ""


def _url(text: str) -> str:
    """RFC 3986 §6.2.2 and §6.2.3: case of scheme, host and escapes, default port, empty path."""
    plain = _PLAIN.fullmatch(text)
    if plain is not None and plain.lastgroup == "url":
        return text
    found = _URL.fullmatch(text)
    if found is None:
        return ""
    scheme = found[1].lower()
    user, at, place = found[2].rpartition("@")
    if place.startswith("["):
        name, _, port = place[1:].partition("]")
        host, port = f"[{_ipv6(name)}]", port.removeprefix(":")
    else:
        name, _, port = place.partition(":")
        host = _ipv4(name) or _domain(name) or name.lower()
    if host in {"", "[]"} or not (port == "" or port.isdigit()):
        return ""
    port = "" if port in {"", _PORTS.get(scheme)} else f":{port}"
    rest = _PERCENT.sub(lambda escape: escape[0].upper(), found[3] + (found[4] or ""))
    if scheme in _PORTS and not rest.startswith("/"):
        rest = "/" + rest
    return f"{scheme}://{user}{at}{host}{port}{rest}"


def _email(text: str) -> str:
    found = _EMAIL.fullmatch(text.removeprefix("mailto:"))
    if found is None:
        return ""
    domain = _domain(found[2])
    # RFC 5321 §2.4 lets the local part differ by case; no mail system in use does.
    return f"{found[1].lower()}@{domain}" if domain else ""


def _asn(text: str) -> str:
    found = _ASN.fullmatch(text)
    digits = found[1] if found else text
    plain = digits.isascii() and digits.isdigit() and len(digits) <= 10
    return str(int(digits)) if plain and int(digits) < 2**32 else ""


def _mac(text: str) -> str:
    low = text.lower()
    if not _MAC.fullmatch(low):
        return ""
    digits = re.sub("[^0-9a-f]", "", low)
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def _hash(text: str, *lengths: int) -> str:
    low = text.lower()
    found = _PLAIN.fullmatch(low)
    return low if found and found.lastgroup == "hash" and len(low) in lengths else ""


def _cve(text: str) -> str:
    return text.upper() if _CVE.fullmatch(text) else ""


def _registry(text: str) -> str:
    found = _REGISTRY.match(text)
    if found is None:
        return ""
    hive = found[1].lower()
    return (_HIVES.get(hive, hive) + text[found.end() :].lower()).rstrip("\\")


def _wallet(text: str) -> str:
    """A cryptocurrency address by its form; hexadecimal ones and Bech32 are one value in either case."""
    found = _WALLET.fullmatch(text)
    if found is None:
        return ""
    return text if found.lastgroup == "base58" else text.lower()


def _fold(text: str) -> str:
    return text.strip().lower()


def _named(text: str) -> str:
    """Return a file's name or path without what only turns or hides its writing: `fdp.exe` shown as `exe.pdf`."""
    if not text.isascii():
        text = text.translate(_INVISIBLE).translate(_TURNING)
    return _fold(text)


def _as_is(text: str) -> str:
    return text.strip()


_NORMAL: Final = {
    "ipv4": _ipv4,
    "ipv6": _ipv6,
    "domain": _domain,
    "url": _url,
    "email": _email,
    "asn": _asn,
    "mac": _mac,
    "md5": lambda text: _hash(text, 32),
    "sha1": lambda text: _hash(text, 40),
    "sha256": lambda text: _hash(text, 64),
    "sha512": lambda text: _hash(text, 128),
    "certificate": lambda text: _hash(text, *HASH_OF_LENGTH),
    "file-name": _named,  # most names met are of systems that ignore case
    "file-path": _named,
    "registry-key": _registry,
    "mutex": _as_is,
    "user-agent": _as_is,
    "cve": _cve,
    "text": _as_is,
    "wallet": _wallet,
}


def leads(observable: Observable) -> tuple[Observable, ...]:
    """Return weaker leads: what contains the value. Never the value itself.

    An address or prefix: the prefixes around it, narrowest first, to /8 (IPv4) or /16 (IPv6). A URL: itself
    without fragment and query, its host, and the host's leads. A domain or mail address: the domains above,
    down to two labels. Any precise kind: the same text where a pattern gave it no kind.
    """
    kind, value = observable
    if kind in {"ipv4", "ipv6"}:
        found = _around(kind, value)
    elif kind == "url":
        found = _of_url(value)
    elif kind == "email":
        domain = Observable("domain", value.partition("@")[2])
        found = [domain, *_above(domain.value)]
    elif kind == "domain":
        found = _above(value)
    else:
        found = []
    if kind not in FREE_KINDS:
        found.append(Observable("text", value))
    return tuple(found)


def _around(kind: str, value: str) -> list[Observable]:
    prefix = ipaddress.ip_network(value)
    lengths = range(prefix.prefixlen - 1, 7 if kind == "ipv4" else 15, -1)
    return [Observable(kind, str(prefix.supernet(new_prefix=length))) for length in lengths]


def _above(domain: str) -> list[Observable]:
    labels = domain.split(".")
    return [Observable("domain", ".".join(labels[start:])) for start in range(1, len(labels) - 1)]


def _of_url(value: str) -> list[Observable]:
    whole = value.partition("#")[0]
    found = [Observable("url", cut) for cut in dict.fromkeys((whole, whole.partition("?")[0])) if cut != value]
    try:
        host = network(urlsplit(value).hostname or "")
    except ValueError:
        host = None
    if host is not None:
        found += [host, *(lead for lead in leads(host) if lead.kind != "text")]
    return found

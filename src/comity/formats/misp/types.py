"""Every attribute type of the MISP standard, and what becomes of a value of it.

Rules: a type has one row. A value with a place in STIX is found there by patterns and look-ups; one that
identifies something and has none stands in an object type of its own, `x-misp-<type>`; a rule is a pattern
in its own language; text is a note; what names a person is sealed. A type that is not here is a note and said.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple


class Fate(StrEnum):
    """What becomes of an attribute."""

    VALUE = "value"  # an indicator where it is `to_ids`, else an observed object
    RULE = "rule"  # an indicator in its own pattern language; a note where it is not `to_ids`
    NOTE = "note"  # text that describes: a note
    NAMED = "named"  # an object by its name: vulnerability, threat actor, campaign
    SEALED = "sealed"  # about a person: only the original has it


class Role(StrEnum):
    """What a value does in the pattern of the object it stands in."""

    IDENTIFIES = "identifies"  # any one of them is a match
    NAMES = "names"  # identifies where nothing better does: a file's name beside its hashes only describes
    NARROWS = "narrows"  # must hold too, e.g. a port
    DESCRIBES = "describes"  # in no pattern


class Slot(NamedTuple):
    """One value's place."""

    path: str  # in a pattern, e.g. `file:hashes.'SHA-256'`; list steps are written `[*]`
    form: str = "any"  # what it has to look like, see `forms`
    seen: str = ""  # in an observed object, where that differs
    role: Role = Role.IDENTIFIES

    @property
    def place(self) -> str:
        """Return its place in an observed object: type and steps, list steps left out."""
        return (self.seen or self.path).replace("[*]", "").replace("'", "")


class Row(NamedTuple):
    """One type: its fate, and for a VALUE the places of its parts (joined by `|` in the value)."""

    fate: Fate
    slots: tuple[Slot, ...] = ()
    language: str = ""  # of a RULE: `pattern_type` (STIX 2.1 §10.19); of a NAMED: the object's type


HASHES: Final = {  # MISP's name: STIX's (§10.6; others by our own), what it looks like
    "md5": ("MD5", "hex32"),
    "sha1": ("SHA-1", "hex40"),
    "sha224": ("SHA-224", "hex56"),
    "sha256": ("SHA-256", "hex64"),
    "sha384": ("SHA-384", "hex96"),
    "sha512": ("SHA-512", "hex128"),
    "sha512/224": ("SHA-512_224", "hex56"),
    "sha512/256": ("SHA-512_256", "hex64"),
    "sha3-224": ("SHA3-224", "hex56"),
    "sha3-256": ("SHA3-256", "hex64"),
    "sha3-384": ("SHA3-384", "hex96"),
    "sha3-512": ("SHA3-512", "hex128"),
    "ssdeep": ("SSDEEP", "ssdeep"),
    "tlsh": ("TLSH", "tlsh"),
    "authentihash": ("AUTHENTIHASH", "any"),
    "vhash": ("VHASH", "any"),
    "imphash": ("IMPHASH", "any"),
    "impfuzzy": ("IMPFUZZY", "any"),
    "pehash": ("PEHASH", "any"),
    "telfhash": ("TELFHASH", "any"),
    "cdhash": ("CDHASH", "any"),
}


def hash_path(root: str, name: str) -> str:
    """Return the path of a hash, its name quoted where the pattern grammar asks for it (§9.6)."""
    return f"{root}:hashes.{name}" if name.isalnum() else f"{root}:hashes.'{name}'"


NAME: Final = Slot("file:name", role=Role.NAMES)
PORT: Final = Slot("network-traffic:dst_port", "port", role=Role.NARROWS)
USER_AGENT: Final = Slot(
    "network-traffic:extensions.'http-request-ext'.request_header.'User-Agent'", seen="user-agent:value"
)
_FILE_HASHES: Final = {name: Slot(hash_path("file", stix), form) for name, (stix, form) in HASHES.items()}


def _own(name: str) -> Row:
    """Return the row of a value that identifies something for which STIX has no place."""
    return Row(Fate.VALUE, (own_slot(name),))


def own_slot(name: str) -> Slot:
    """Return a place in an object type of our own."""
    return Slot(f"x-misp-{slug(name)}:value")


def slug(name: str) -> str:
    """Return a name as it may stand in a STIX type (§3.1): lower case, digits, single hyphens, cut to 100."""
    cleaned = "".join(char if char.isascii() and char.isalnum() else "-" for char in name.lower())
    return "-".join(part for part in cleaned.split("-") if part)[:100].strip("-") or "other"


def _value(path: str, form: str = "any", seen: str = "") -> Row:
    return Row(Fate.VALUE, (Slot(path, form, seen),))


_NOTES: Final = (
    *("email-body", "float", "http-method", "mime-type", "weakness", "cpe", "link", "comment", "text", "hex", "other"),
    *("process-state", "target-machine", "target-org", "target-location", "target-external", "malware-type"),
    *("campaign-id", "whois-registrar", "whois-creation-date", "size-in-bytes", "counter", "integer", "datetime"),
    *("email-header", "email-mime-boundary", "email-thread-index", "gene", "kusto-query", "cortex", "boolean"),
    *("anonymised", "bic", "aba-rtn", "bin", "github-repository", "github-organisation", "dns-soa-email", "uuid"),
)
_OWN: Final = (
    *("pdb", "ja3-fingerprint-md5", "jarm-fingerprint", "favicon-mmh3", "hassh-md5", "hasshserver-md5"),
    *("community-id", "dom-hash", "pattern-in-file", "pattern-in-traffic", "pattern-in-memory", "filename-pattern"),
    *("ssh-fingerprint", "cookie", "named pipe", "windows-scheduled-task", "windows-service-name"),
    *("windows-service-displayname", "mac-eui-64", "email-x-mailer", "dkim", "dkim-signature", "git-commit-id"),
    *("mobile-application-id", "azure-application-id", "chrome-extension-id", "edge-extension-id", "onion-address"),
)
_SEALED: Final = (
    *("target-user", "target-email", "eppn", "phone-number", "prtn", "iban", "bank-account-nr", "cc-number"),
    *("whois-registrant-email", "whois-registrant-phone", "whois-registrant-name", "whois-registrant-org"),
    *("email-dst-display-name", "email-src-display-name", "github-username", "jabber-id", "twitter-id"),
    *("pgp-public-key", "pgp-private-key", "identity-card-number", "first-name", "middle-name", "last-name"),
    *("full-name", "date-of-birth", "place-of-birth", "gender", "passport-number", "passport-country"),
    *("passport-expiration", "redress-number", "nationality", "visa-number", "issue-date-of-the-visa"),
    *("primary-residence", "country-of-residence", "special-service-request", "frequent-flyer-number"),
    *("travel-details", "payment-details", "place-port-of-original-embarkation", "place-port-of-clearance"),
    *("place-port-of-onward-foreign-destination", "passenger-name-record-locator-number"),
)
SEALED_CATEGORIES: Final = frozenset({"Person"})
"""Categories whose attributes are about a person whatever their type."""

ROWS: Final[dict[str, Row]] = {
    **{name: Row(Fate.NOTE) for name in _NOTES},
    **{name: Row(Fate.SEALED) for name in _SEALED},
    **{name: _own(name) for name in _OWN},
    **{name: Row(Fate.VALUE, (slot,)) for name, slot in _FILE_HASHES.items()},
    **{
        f"filename|{name}": Row(Fate.VALUE, (NAME, slot))
        for name, slot in _FILE_HASHES.items()
        if name not in {"telfhash", "cdhash"}  # the standard has no such pairs
    },
    "filename": Row(Fate.VALUE, (NAME,)),
    "attachment": Row(Fate.VALUE, (NAME,)),
    "email-attachment": Row(Fate.VALUE, (NAME,)),
    "malware-sample": Row(Fate.VALUE, (NAME, _FILE_HASHES["md5"])),
    "ip-src": _value("ip:value", "ip"),
    "ip-dst": _value("ip:value", "ip"),
    "hostname": _value("domain-name:value", "domain"),
    "domain": _value("domain-name:value", "domain"),
    "domain|ip": Row(
        Fate.VALUE,
        (Slot("domain-name:value", "domain"), Slot("domain-name:resolves_to_refs[*].value", "ip")),
    ),
    "ip-dst|port": Row(Fate.VALUE, (Slot("network-traffic:dst_ref.value", "ip"), PORT)),
    "ip-src|port": Row(
        Fate.VALUE,
        (
            Slot("network-traffic:src_ref.value", "ip"),
            Slot("network-traffic:src_port", "port", role=Role.NARROWS),
        ),
    ),
    "hostname|port": Row(Fate.VALUE, (Slot("network-traffic:dst_ref.value", "domain"), PORT)),
    "port": Row(Fate.VALUE, (PORT,)),
    "email": _value("email-addr:value", "email"),
    "email-src": _value("email-message:from_ref.value", "email", "email-addr:value"),
    "email-dst": _value("email-message:to_refs[*].value", "email", "email-addr:value"),
    "email-reply-to": _value("email-addr:value", "email"),
    "email-subject": _value("email-message:subject"),
    "email-message-id": _value("email-message:message_id"),
    "url": _value("url:value", "url"),
    "uri": _value("url:value", "url"),
    "user-agent": Row(Fate.VALUE, (USER_AGENT,)),
    "regkey": _value("windows-registry-key:key", "regkey"),
    "regkey|value": Row(
        Fate.VALUE,
        (
            Slot("windows-registry-key:key", "regkey"),
            Slot("windows-registry-key:values[*].data", role=Role.NARROWS),
        ),
    ),
    "AS": _value("autonomous-system:number", "asn"),
    "mac-address": _value("mac-addr:value", "mac"),
    "mutex": _value("mutex:name"),
    **{
        f"x509-fingerprint-{name}": _value(hash_path("x509-certificate", HASHES[name][0]), HASHES[name][1])
        for name in ("md5", "sha1", "sha256")
    },
    **{name: _value("cryptocurrency-wallet:value") for name in ("btc", "dash", "xmr")},
    **{name: Row(Fate.RULE, language=name) for name in ("snort", "suricata", "yara", "sigma")},
    "bro": Row(Fate.RULE, language="zeek"),
    "zeek": Row(Fate.RULE, language="zeek"),
    "stix2-pattern": Row(Fate.RULE, language="stix"),
    "vulnerability": Row(Fate.NAMED, language="vulnerability"),
    "threat-actor": Row(Fate.NAMED, language="threat-actor"),
    "campaign-name": Row(Fate.NAMED, language="campaign"),
}

"""MISP object templates: what their relations add to what an attribute's type says already.

Rules: most relations need no row, because their attribute's type has one; here stand those that mean more or less
within their object. A template that is not here is read by types alone, and what they do not place becomes a
note. Templates about a person's account or identity are sealed whole.
"""

from __future__ import annotations

from typing import Final

from comity.formats.misp.types import PORT, Role, Slot, own_slot

_PURELY_NAMES: Final = Role.NAMES


def _says(path: str, form: str = "any") -> Slot:
    """Return a place of what only describes."""
    return Slot(path, form, role=Role.DESCRIBES)


def _narrows(path: str, form: str = "any") -> Slot:
    return Slot(path, form, role=Role.NARROWS)


_FILE: Final = {
    "size-in-bytes": _says("file:size", "size"),
    "mimetype": _says("file:mime_type"),
    "path": _says("file:parent_directory_ref.path"),
    "creation-time": _says("file:ctime", "time"),
    "modification-time": _says("file:mtime", "time"),
    "access-time": _says("file:atime", "time"),
}
_TRAFFIC: Final = {
    "ip-src": Slot("network-traffic:src_ref.value", "ip"),
    "ip-dst": Slot("network-traffic:dst_ref.value", "ip"),
    "src-port": _narrows("network-traffic:src_port", "port"),
    "dst-port": PORT,
}
_HOSTS: Final = {
    "hostname-src": Slot("network-traffic:src_ref.value", "domain"),
    "hostname-dst": Slot("network-traffic:dst_ref.value", "domain"),
}
_PROTOCOL: Final = _says("network-traffic:protocols")
_SECTION: Final = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha512/224", "sha512/256", "ssdeep")


def _section(template: str) -> dict[str, Slot]:
    """Return the places of a section's hashes: they are no hashes of a file."""
    return {name: own_slot(f"{template}-{name}") for name in _SECTION}


RELATIONS: Final[dict[str, dict[str, Slot]]] = {
    "file": _FILE,
    "pe": {"original-filename": _says("file:name"), "internal-filename": own_slot("pe-internal-filename")},
    "pe-section": _section("pe-section"),
    "elf-section": _section("elf-section"),
    "macho-section": _section("macho-section"),
    "domain-ip": {
        "ip": Slot("ip:value", "ip", "domain-name:resolves_to_refs.value"),
        "domain": Slot("domain-name:value", "domain"),
        "hostname": Slot("domain-name:value", "domain"),
    },
    "network-connection": {
        **_TRAFFIC,
        **_HOSTS,
        **{f"layer{number}-protocol": _PROTOCOL for number in (3, 4, 7)},
    },
    "network-socket": {**_TRAFFIC, **_HOSTS, "protocol": _PROTOCOL},
    "netflow": {**_TRAFFIC, "protocol": _PROTOCOL},
    "ip-port": {
        "ip": Slot("network-traffic:dst_ref.value", "ip"),
        "ip-dst": Slot("network-traffic:dst_ref.value", "ip"),
        "ip-src": Slot("network-traffic:src_ref.value", "ip"),
        "hostname": Slot("network-traffic:dst_ref.value", "domain"),
        "domain": Slot("network-traffic:dst_ref.value", "domain"),
        "dst-port": PORT,
        "src-port": _narrows("network-traffic:src_port", "port"),
        "protocol": _PROTOCOL,
    },
    "email": {
        "from": Slot("email-message:from_ref.value", "email"),
        "to": Slot("email-message:to_refs[*].value", "email"),
        "cc": Slot("email-message:cc_refs[*].value", "email"),
        "bcc": Slot("email-message:bcc_refs[*].value", "email"),
        "email-body": _says("email-message:body"),
        "send-date": _says("email-message:date", "time"),
    },
    "x509": {
        "issuer": _says("x509-certificate:issuer"),
        "subject": _says("x509-certificate:subject"),
        "serial-number": Slot("x509-certificate:serial_number", role=_PURELY_NAMES),
        "validity-not-before": _says("x509-certificate:validity_not_before", "time"),
        "validity-not-after": _says("x509-certificate:validity_not_after", "time"),
        "version": _says("x509-certificate:version"),
    },
    "registry-key": {
        "key": Slot("windows-registry-key:key", "regkey"),
        "name": _narrows("windows-registry-key:values[*].name"),
        "data": _narrows("windows-registry-key:values[*].data"),
        "last-modified": _says("windows-registry-key:modified_time", "time"),
    },
    "process": {
        "command-line": Slot("process:command_line"),
        "current-directory": _says("process:cwd"),
        "pid": _says("process:pid", "size"),
        "creation-time": _says("process:created_time", "time"),
        "image": Slot("process:image_ref.name", role=_PURELY_NAMES),
    },
    "http-request": {"host": Slot("domain-name:value", "domain")},
    "directory": {"path": Slot("directory:path")},
    "btc-wallet": {"wallet-address": Slot("cryptocurrency-wallet:value")},
}

SEALED: Final = frozenset(
    (
        *("user-account", "person", "persnona", "personification", "employee", "identity", "contact-list", "phone"),
        *("phone-number", "postal-address", "credential", "facebook-account", "twitter-account", "twitter-list"),
        *("telegram-account", "github-user", "gitlab-user", "google-account", "keybase-account", "instagram-account"),
        *("parler-account", "reddit-account", "bank-account", "credit-card", "transport-ticket", "facial-composite"),
        *("fbi-most-wanted", "interpol-notice", "imsi-catcher", "tattoo", "ss7-attack", "regripper-NTUser"),
        *("regripper-sam-hive-single-user", "regripper-sam-hive-user-group", "ssh-authorized-keys", "scheduled-event"),
        *("ftm-Person", "ftm-Passport", "ftm-UserAccount", "ftm-Call", "ftm-BankAccount", "ftm-Family"),
        *("ftm-Associate", "ftm-Representation", "ftm-Membership", "ftm-Directorship", "ftm-CourtCaseParty"),
    )
)
"""Templates that are about a person or a person's account."""

SEALED_RELATIONS: Final = frozenset(
    (
        *("username", "user-name", "user-id", "userid", "user_id", "account-id", "account-name", "user-avatar"),
        *("display-name", "profile-photo", "username-quoted", "in-reply-to-user-id", "in-reply-to-display-name"),
        *("verified-username", "real-name", "full-name", "first-name", "last-name", "author", "from-display-name"),
        *("to-display-name", "cc-display-name", "bcc-display-name", "reply-to-display-name", "basicauth-user"),
        *("basicauth-password", "proxy-user", "proxy-password", "user-creator", "user-process", "passport-number"),
        *("social-security-number", "phone-number", "imsi", "imei", "msisdn"),
    )
)
"""Relations that name a person in whatever object they stand."""

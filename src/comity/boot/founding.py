"""Making a node in an empty directory: keys, certificate, settings, the first card.

Rules: nothing that is there is touched; what was begun and not finished is left to be looked at, and said.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from comity import canon, party
from comity.boot import settings as setting
from comity.boot.compose import opened
from comity.boot.keys import LOG, NEXT_ROOT, REQUEST, ROOT, WITNESS, KeyDirectory
from comity.boot.settings import KEYS, Settings
from comity.canon import OfficeId
from comity.errors import Conflict, Fault, Misuse
from comity.http import tls as certificates
from comity.http import url
from comity.node import books, parties
from comity.party import Card, Office, SignedCard, Tls
from comity.surfaces.cli.founding import Founding
from comity.vocab import OfficeKind

SIGNING: Final = (ROOT, NEXT_ROOT, LOG, WITNESS, REQUEST)


def found(home: Path, wanted: Founding) -> SignedCard:
    """Make a node; return its first card. Raises `Conflict` where something is, `Misuse`, `Fault`."""
    settings = _settings(wanted)
    _check(wanted)
    read = [_read_office(text) for text in wanted.offices]
    _make_empty(home)
    directory = KeyDirectory(home / KEYS)
    for name in SIGNING:
        directory.create(name)
    tls = _tls(home, wanted, settings)
    offices = tuple(
        Office(short, name, kind, wanted.languages, encryption=canon.b64(directory.create_encryption(short)))
        for short, kind, name in read
    )
    card = Card(
        v=1,
        party=canon.party_id(wanted.party),
        serial=1,
        issued=int(time.time()),
        name=wanted.name,
        jurisdiction=wanted.jurisdiction,
        languages=wanted.languages,
        time_zone=wanted.time_zone,
        offices=offices,
        keys=directory.public_keys(),
        address=wanted.address,
        tls=tls,
    )
    signed = party.parse_card(party.sign_card(card, directory.load(ROOT)).envelope.encode())
    setting.write(home, settings)
    with opened(home) as machine:
        node = machine.services.node
        with node.writing() as unit:
            parties.put_own(node, unit, signed)
            body = {"card": signed.digest, "serial": 1, "by": wanted.user}
            books.record(node, unit, offices[0].id, "home.founded", body)
    return signed


def _settings(wanted: Founding) -> Settings:
    settings = Settings(
        party=canon.party_id(wanted.party),
        office=wanted.offices[0].partition(":")[0] if wanted.offices else "",
        time_zone=wanted.time_zone,
        listen=wanted.listen,
        plain_http=wanted.address.startswith("http://"),
        allow_networks=wanted.allow_networks,
        tls_certificate=wanted.tls_certificate or Settings(party="").tls_certificate,
        tls_key=wanted.tls_key or Settings(party="").tls_key,
    )
    setting.check(settings)
    return settings


def _check(wanted: Founding) -> None:
    if not wanted.offices:
        raise Misuse("a party has at least one office", hint='--office csirt:csirt:"National CSIRT"')
    if not wanted.name.strip() or not wanted.jurisdiction.strip():
        raise Misuse("a party has a name and a jurisdiction", hint='--name "CERT Arcadia" --jurisdiction XA')
    try:
        ZoneInfo(wanted.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Misuse(f"{wanted.time_zone!r} is no time zone", hint="an IANA name such as Europe/Paris") from error
    if wanted.address:
        url.parse(wanted.address)
    if wanted.listen and not wanted.address:
        raise Misuse("a node that listens tells its peers where", hint="--address https://node.arcadia.example:8460")
    if bool(wanted.tls_certificate) != bool(wanted.tls_key):
        raise Misuse("a certificate of your own comes with its key", hint="--tls-certificate FILE --tls-key FILE")


def _read_office(text: str) -> tuple[OfficeId, OfficeKind, str]:
    """Read `id:kind:name`. Raises `Malformed` or `Misuse`."""
    short, _, rest = text.partition(":")
    kind, _, name = rest.partition(":")
    try:
        what = OfficeKind(kind or "other")
    except ValueError as error:
        kinds = ", ".join(word.value for word in OfficeKind)
        raise Misuse(f"{kind!r} is not a kind of office", hint=f"one of {kinds}") from error
    return OfficeId(canon.slug(short, what="an office")), what, name or short


def _tls(home: Path, wanted: Founding, settings: Settings) -> Tls:
    """Make a certificate for the node's hosts, unless it has its own, or needs none."""
    if not wanted.address.startswith("https://") or wanted.tls_certificate:
        return Tls()
    hosts = wanted.hosts or (url.parse(wanted.address).host,)
    made = certificates.self_signed(hosts, at=int(time.time()))
    _write(home / settings.tls_certificate, made.certificate, 0o644)
    _write(home / settings.tls_key, made.key, 0o600)
    return Tls(certificates.pin_of(made.certificate), made.certificate.decode())


def _make_empty(home: Path) -> None:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        there = sorted(path.name for path in home.iterdir())
        if there:
            raise Conflict(f"{home} is not empty: it holds {there[0]}", hint="choose another directory with --home")
        home.chmod(0o700)
    except OSError as error:
        raise Fault(f"{home} cannot be used: {error.strerror}") from error


def _write(path: Path, data: bytes, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(data)

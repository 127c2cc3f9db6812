"""A real node, a real IMAP and a real SMTP server, and correspondents with keys of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pysequoia import SignatureMode, Tsk, encrypt, sign

from comity.boot.compose import Machine, opened
from comity.canon import OfficeId
from comity.formats.mail import write
from comity.node import ingest
from comity.node.actor import Actor
from comity.node.mail import accounts, letters, outbox
from comity.node.mail.accounts import Account
from comity.node.mail.letters import Letter
from comity.node.mail.outbox import Outgoing
from comity.party import OfficeRef
from comity.statement import Marking
from comity.vocab import Pap, Tlp
from tests.cli.conftest import Party, found
from tests.mail import servers as real
from tests.mail.servers import PASSWORD, Servers

CERT = "cert@arcadia.example"
GRID = "soc@grid.example"
EVE = "eve@evil.example"


@dataclass
class Writer:
    """Somebody who writes mail as any mail program would, with an OpenPGP key."""

    address: str
    key: Tsk
    count: int = 0

    @property
    def certificate(self) -> bytes:
        return str(self.key.extract_certificate()).encode()

    @property
    def fingerprint(self) -> str:
        return str(self.key.extract_certificate().fingerprint).upper()

    def entity(self, text: str, files: tuple[write.File, ...] = ()) -> bytes:
        """Return a MIME entity that says something, without any label that the text has not."""
        part = b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + text.replace("\n", "\r\n").encode() + b"\r\n"
        if not files:
            return part
        parts = [part]
        for file in files:
            head = f'Content-Type: {file.media}\r\nContent-Disposition: attachment; filename="{file.name}"\r\n'
            import base64

            body = base64.encodebytes(file.data).replace(b"\n", b"\r\n")
            parts.append(head.encode() + b"Content-Transfer-Encoding: base64\r\n\r\n" + body)
        inside = b"".join(b"--inner\r\n" + one + b"\r\n" for one in parts) + b"--inner--\r\n"
        return b'Content-Type: multipart/mixed; boundary="inner"\r\n\r\n' + inside

    def plain(self, subject: str, text: str, *, files: tuple[write.File, ...] = (), **fields: str) -> bytes:
        return self.letter(subject, self.entity(text, files), **fields)

    def signed(self, subject: str, text: str, *, files: tuple[write.File, ...] = (), **fields: str) -> bytes:
        entity = self.entity(text, files)
        signature = bytes(sign(self.key.signer(), entity, mode=SignatureMode.DETACHED))
        return self.letter(subject, write.pgp_signed(entity, signature, "pgp-sha512", "s"), **fields)

    def encrypted(
        self, subject: str, text: str, to: bytes, *, files: tuple[write.File, ...] = (), signs: bool = True, **more: str
    ) -> bytes:
        from pysequoia import Cert

        inside = self.entity(text, files)
        signer = self.key.signer() if signs else None
        made = bytes(encrypt(recipients=[Cert.from_bytes(to)], bytes=inside, **({"signer": signer} if signs else {})))
        return self.letter(subject, write.pgp_encrypted(made, "e"), **more)

    def letter(self, subject: str, entity: bytes, **fields: str) -> bytes:
        """Return a whole letter; header names take _ for -."""
        self.count += 1
        head = {"From": self.address, "To": CERT, "Subject": subject, "MIME-Version": "1.0"}
        head |= {"Message-ID": f"<{self.count}.{id(self)}@{self.address.partition('@')[2]}>"}
        head |= {"Date": "Wed, 25 Nov 2026 08:00:00 +0000"} | {k.replace("_", "-"): v for k, v in fields.items()}
        return "".join(f"{name}: {value}\r\n" for name, value in head.items()).encode() + entity


def writer(address: str, **more: Any) -> Writer:
    return Writer(address, Tsk.generate(f"Desk <{address}>", **more))


@dataclass
class Office:
    """An office with a mail account, at a node in this process."""

    party: Party
    machine: Machine
    servers: Servers
    grid: Writer
    _files: Path = field(default_factory=Path)

    @property
    def actor(self) -> Actor:
        return Actor(OfficeRef(self.machine.services.node.me, OfficeId("csirt")), "ada")

    @property
    def account(self) -> Account:
        with self.machine.services.node.store.read() as unit:
            return accounts.named(unit, self.actor, "cert")

    @property
    def certificate(self) -> bytes:
        return self.machine.mail.locks.own(self.account)[0].certificate

    def perform(self, verb: str, **ask: Any) -> Any:
        said = {"user": "ada", "office": "csirt", **ask}
        return json.loads(self.machine.perform(verb, json.dumps(said).encode(), lambda _: None))

    # -- letters -------------------------------------------------------------------

    def comes(self, *data: bytes) -> list[Letter]:
        """Let letters come by the mail server, fetch them; return what became of each, in their order."""
        for one in data:
            self.servers.deliver(CERT, one)
        done = self.fetch()
        assert not done["error"], done
        idents = {one.digest: one for one in self.letters()}
        import hashlib

        return [idents[hashlib.sha256(one).hexdigest()] for one in data]

    def fetch(self) -> Any:
        return self.perform("mail/fetch")

    def letters(self) -> list[Letter]:
        with self.machine.services.node.store.read() as unit:
            every = letters.letters(unit, "csirt") + letters.letters(unit, "csirt", open_=False)
        return sorted(every, key=lambda one: one.at)

    # -- messages ------------------------------------------------------------------

    def flush(self) -> Any:
        return self.perform("mail/flush")

    def message(self, ident: str) -> Outgoing:
        with self.machine.services.node.store.read() as unit:
            return outbox.get(unit, "csirt", ident)

    def collect(self, *objects: bytes, tlp: Tlp = Tlp.AMBER, source: str = "isac") -> None:
        node = self.machine.services.node
        with self.machine.turns.mine():
            with node.writing() as unit:
                known = ingest.put_source(unit, self.actor, source, Marking(tlp, pap=Pap.GREEN))
            done = ingest.ingest(node, self.actor, known, [b"\n".join(objects)])
            assert done.kept == len(objects), done.report

    def source_of(self, name: str) -> list[tuple[str, Any]]:
        """Return who says something here: (source, marking)."""
        services = self.machine.services
        with services.node.store.read() as unit:
            found = services.queries.versions(unit, self.actor, name)
            return [(w.source, w.marking) for each in found for w in each.witnesses]

    def known(self, value: str) -> list[tuple[str, Any]]:
        """Return who says something of a value here, and under which marking."""
        services = self.machine.services
        with services.node.store.read() as unit:
            found = services.queries.lookup(unit, self.actor, value)
            return sorted({(w.source, w.marking.tlp.value if w.marking else "") for e in found for w in e.witnesses})


@pytest.fixture(scope="session")
def mail_servers() -> Iterator[Servers]:
    """Return Dovecot and Postfix, running."""
    why = real.why_not()
    if why:
        pytest.skip(why)
    with real.running() as servers:
        yield servers


@pytest.fixture
def servers(mail_servers: Servers) -> Servers:
    """Return the mail servers, every mailbox empty."""
    mail_servers.clear()
    return mail_servers


def set_up(party: Party, servers: Servers, *, prefix: str = "CERT-AR", starttls: bool = False) -> None:
    """Set up the office's account, as its operator does."""
    login = party.home / "keys" / "cert-mail"
    login.write_text(f"basic {CERT}:{PASSWORD}\n")
    login.chmod(0o600)
    port = (
        ["--smtp", f"127.0.0.1:{servers.starttls}", "--starttls"]
        if starttls
        else ["--smtp", f"127.0.0.1:{servers.smtps}"]
    )
    party(
        "mail", "setup", "cert", "--address", CERT, "--display", "CERT Arcadia", "--imap", f"127.0.0.1:{servers.imaps}",
        *port, "--login", "cert-mail", "--certificate", servers.certificate, "--prefix", prefix, "--as", "csirt",
        "--every", "10s",
    )  # fmt: skip


@pytest.fixture
def office(tmp_path: Path, servers: Servers) -> Iterator[Office]:
    """Return an office with mail, and a correspondent `grid` with a key, a client up to TLP:AMBER that may send."""
    party = found(tmp_path, "arcadia", listens=False)
    set_up(party, servers)
    grid = writer(GRID)
    (tmp_path / "grid.asc").write_bytes(grid.certificate)
    party(
        "party", "correspondent", "add", "grid", "--jurisdiction", "XA", "--ceiling", "AMBER", "--client", "--no-wait",
        "--title", "Grid Operator", "--as", "csirt",
    )  # fmt: skip
    party(
        "party", "correspondent", "allow", "grid", "mail", "--send", "--address", GRID,
        "--pgp", tmp_path / "grid.asc", "--as", "csirt",
    )  # fmt: skip
    with opened(party.home) as machine:
        yield Office(party, machine, servers, grid, tmp_path)

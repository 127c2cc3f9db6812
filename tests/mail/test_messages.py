"""Messages through a real SMTP server: released first, signed, encrypted, each in one state; and what comes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pysequoia import Cert, Sig, decrypt, verify

from comity.errors import Refused
from comity.formats.mail import message, protected
from comity.formats.mail.message import Message, Protection
from comity.limits import MAIL_GIVE_UP_SECONDS
from comity.node import acting, correspondents, deliveries
from comity.node.mail import accounts, outbox
from comity.vocab import Channel, Tlp
from tests.cli.conftest import Party, found
from tests.mail.conftest import CERT, GRID, Office, writer
from tests.mail.test_letters import REPORT, allow
from tests.node.correspond import ident, indicator


def send(office: Office, **ask: Any) -> Any:
    """Queue a message to grid."""
    said = {"to": ["grid"], "about": "Exploited now", "text": "Please look.", "tlp": "AMBER", **ask}
    return office.perform("mail/send", **said)["messages"][0]


def opened(office: Office, data: bytes) -> tuple[Message, Message]:
    """Open what came as its recipient's program would; return what anybody sees, and what it says."""
    outer = message.read(data)
    assert outer.protection is Protection.PGP_ENCRYPTED
    mine = Cert.from_bytes(office.certificate)
    made = decrypt(
        bytes=protected.encrypted(data), decryptor=office.grid.key.decryptor(), store=lambda _: [mine]
    )  # raises where no signature of the account's key holds
    assert str(made.valid_sigs[0].certificate).upper() == str(mine.fingerprint).upper()
    return outer, message.read(protected.within(data, bytes(made.bytes)))


def given(office: Office) -> dict[str, int]:
    """Return how many entries grid has by mail, by grade."""
    with office.machine.services.node.store.read() as unit:
        found = deliveries.deliveries(unit, f"{office.actor.office}~grid")
    return {one.grade.value: sum(b - a for a, b in one.runs) for one in found if one.channel is Channel.MAIL}


def test_an_alert_goes_signed_and_encrypted_with_its_label_in_three_places(office: Office) -> None:
    office.collect(indicator(1), indicator(2))
    queued = send(office, choice={"names": [ident(1), ident(2)]})
    assert queued["state"] == "queued"
    assert office.flush()["states"] == {"sent": 1}
    (data,) = office.servers.wait_for(GRID, 1)
    outer, inner = opened(office, data)
    assert outer.subject == "[TLP:AMBER] [CERT-AR #2026-1]"  # what it is about is hidden
    assert inner.subject == "[TLP:AMBER] [CERT-AR #2026-1] Exploited now"
    assert ("x-tlp", "AMBER") in outer.fields and ("auto-submitted", "auto-generated") in outer.fields
    lines = [line for line in inner.text.splitlines() if line]
    assert lines[0] == lines[-1] == "TLP:AMBER" and "host-1[.]example" in inner.text
    (file,) = inner.files
    assert {one["id"] for one in json.loads(file.data)["objects"]} == {ident(1), ident(2)}
    sent = office.message(queued["id"])
    assert (sent.state, sent.protected, sent.objects, sent.addresses) == ("sent", "pgp", 2, (GRID,))
    assert sent.signer == office.grid.fingerprint
    assert given(office) == {"sent": 2}


def test_it_goes_under_the_strictest_label_of_all_that_is_in_it(office: Office) -> None:
    office.collect(indicator(1), tlp=Tlp.GREEN)
    office.collect(indicator(2), tlp=Tlp.AMBER, source="other")
    send(office, tlp="CLEAR", choice={"names": [ident(1), ident(2)]})
    office.flush()
    (data,) = office.servers.wait_for(GRID, 1)
    assert opened(office, data)[0].subject.startswith("[TLP:AMBER]")


def test_what_may_not_go_does_not(office: Office) -> None:
    office.collect(indicator(1), tlp=Tlp.AMBER_STRICT)
    with pytest.raises(Refused, match="none of it may go"):
        send(office, text="", choice={"names": [ident(1)]})
    with pytest.raises(Refused, match="may not go"):
        send(office, tlp="AMBER+STRICT")
    office.collect(indicator(2), source="other")
    queued = send(office, choice={"names": [ident(1), ident(2)]})
    assert queued["withheld"] == 1
    office.flush()
    (data,) = office.servers.wait_for(GRID, 1)
    inner = opened(office, data)[1]
    assert [one["id"] for one in json.loads(inner.files[0].data)["objects"]] == [ident(2)]
    assert office.message(queued["id"]).withheld == 1 and given(office) == {"sent": 1}


def test_it_is_decided_again_when_it_goes(office: Office) -> None:
    office.collect(indicator(1))
    queued = send(office, text="", choice={"names": [ident(1)]})
    retract(office, 1)
    assert office.flush()["states"] == {"failed": 1}
    one = office.message(queued["id"])
    assert "none of it may go any more" in one.why and not office.servers.mailbox(GRID)
    second = send(office)
    with office.machine.turns.mine():
        correspondents.move(office.machine.services.node, office.actor, "grid", "suspended", "terms")
    office.flush()
    assert office.message(second["id"]).state == "failed" and not office.servers.mailbox(GRID)


def retract(office: Office, *numbers: int) -> None:
    services = office.machine.services
    with services.node.store.read() as unit:
        places = [w.position for n in numbers for w in services.queries.entries_of(unit, office.actor, ident(n))]
    with office.machine.turns.mine():
        acting.retract(office.actor, services.node, places, "it was our own printer")


def test_without_a_valid_key_a_notice_goes_that_says_nothing_of_it(office: Office) -> None:
    allow(office, pgp=b"")
    office.collect(indicator(1))
    queued = send(office, choice={"names": [ident(1)]})
    office.flush()
    (data,) = office.servers.wait_for(GRID, 1)
    found = message.read(data)
    assert found.protection is Protection.PGP_SIGNED and "TLP:CLEAR" in found.subject
    assert not any(word in data for word in (b"Exploited", b"Please look", b"host-1", ident(1).encode()))
    assert "no key of yours is registered" in found.text and "TLP:AMBER" in found.text
    one = office.message(queued["id"])
    assert (one.state, one.protected) == ("sent", "notice") and not given(office)
    allow(office, pgp=office.grid.certificate)
    office.perform("mail/again", id=one.id)
    office.flush()
    (_, data) = office.servers.wait_for(GRID, 2)
    assert opened(office, data)[1].files and given(office) == {"sent": 1}


def test_a_revoked_or_expired_key_encrypts_nothing(office: Office) -> None:
    certificate = office.grid.key.extract_certificate()
    revoked = bytes(certificate) + bytes(certificate.revoke(certifier=office.grid.key.certifier()))
    allow(office, pgp=bytes(Cert.from_bytes(revoked)))
    queued = send(office)
    office.flush()
    one = office.message(queued["id"])
    assert one.protected == "notice" and "revoked" in one.why
    short = writer(GRID, validity_seconds=61)
    allow(office, pgp=short.certificate)
    expires = short.key.extract_certificate().expiration
    assert expires is not None
    while office.machine.services.node.now() <= expires.timestamp():
        pass
    queued = send(office)
    office.flush()
    assert "has expired" in office.message(queued["id"]).why


def test_what_is_clear_goes_signed_in_the_clear_to_who_has_no_key(office: Office) -> None:
    allow(office, pgp=b"")
    queued = send(office, tlp="CLEAR", text="Patch your mail servers.")
    office.flush()
    (data,) = office.servers.wait_for(GRID, 1)
    assert message.read(data).protection is Protection.PGP_SIGNED
    cut = protected.signed(data)
    assert b"Patch your mail servers." in cut.content
    mine = Cert.from_bytes(office.certificate)
    assert verify(bytes=cut.content, store=lambda _: [mine], signature=Sig.from_bytes(cut.signature)).valid_sigs
    assert office.message(queued["id"]).protected == "signed"


# -- conversations -------------------------------------------------------------------


def test_a_request_is_answered_in_its_conversation_and_the_answer_acknowledged(office: Office) -> None:
    (letter,) = office.comes(office.grid.encrypted("RFI bad[.]example", REPORT, office.certificate))
    assert (letter.state, letter.ticket) == ("asked", "2026-1")
    queued = office.perform("mail/send", letter=letter.id, text="Yes: twice.", tlp="AMBER")["messages"][0]
    assert (queued["sort"], queued["ticket"]) == ("answer", "2026-1")
    office.flush()
    (data,) = office.servers.wait_for(GRID, 1)
    outer, inner = opened(office, data)
    assert outer.references == (letter.ident,) and inner.subject.endswith("RFI bad[.]example")
    assert [one.state for one in office.letters()] == ["answered"]
    thanks = office.grid.signed(f"Re: {outer.subject}", "Thanks.", In_Reply_To=f"<{outer.ident}>")
    (reply,) = office.comes(thanks)
    assert (reply.ticket, reply.sort) == ("2026-1", "reply")
    assert office.message(queued["id"]).state == "acknowledged"


def test_what_carried_objects_is_acknowledged_by_its_answer_and_by_no_program(office: Office) -> None:
    office.collect(indicator(1))
    queued = send(office, choice={"names": [ident(1)]})
    office.flush()
    (data,) = office.servers.wait_for(GRID, 1)
    about = {"In_Reply_To": f"<{message.read(data).ident}>"}
    office.comes(office.grid.signed("Away", "I am away", Auto_Submitted="auto-replied", **about))
    one = office.message(queued["id"])
    assert one.state == "sent" and one.notes == ("a program answered: Away",)
    assert given(office) == {"sent": 1}
    office.comes(writer("eve@evil.example").signed("Re: x", "thanks", **about))
    assert office.message(queued["id"]).state == "sent"
    office.comes(office.grid.signed("Re: x", "thanks", **about))
    assert office.message(queued["id"]).state == "acknowledged"
    assert given(office) == {"sent": 1, "acknowledged": 1}


def test_nobody_who_is_not_known_is_answered(office: Office) -> None:
    (letter,) = office.comes(writer(GRID).plain("RFI", "tell me all"))
    with pytest.raises(Exception, match="nobody knows who wrote"):
        office.perform("mail/send", letter=letter.id, text="Everything.", tlp="CLEAR")


# -- what servers say -----------------------------------------------------------------


def test_a_bounce_is_matched_with_what_went(office: Office) -> None:
    allow(office, addresses=("user@bounces.example",))
    queued = send(office)
    assert office.flush()["states"] == {"sent": 1}
    office.servers.wait_for(CERT, 1)
    office.fetch()
    one = office.message(queued["id"])
    assert one.state == "bounced" and "user@bounces.example" in one.why and "5.1.1" in one.why
    (letter,) = office.letters()
    assert (letter.state, letter.sort, letter.ticket) == ("noted", "bounce", one.ticket)
    assert any("bounced" in each["what"] for each in office.perform("node/doctor")["ailments"])


def test_an_address_that_the_server_refuses_has_failed_and_another_still_gets_it(office: Office) -> None:
    allow(office, addresses=(GRID, "nobody@grid.example"))
    one = office.message(send(office)["id"])
    office.flush()
    one = office.message(one.id)
    assert (one.state, one.addresses) == ("sent", (GRID,)) and "User unknown" in one.notes[0]
    allow(office, addresses=("nobody@grid.example",))
    queued = send(office)
    assert office.flush()["states"] == {"failed": 1}
    assert "550 5.1.1" in office.message(queued["id"]).why


def test_a_server_that_is_away_puts_off_and_loses_nothing(office: Office) -> None:
    node = office.machine.services.node
    right = office.account
    wrong = msgspec.structs.replace(right, smtp=msgspec.structs.replace(right.smtp, port=1))
    with office.machine.turns.mine():
        accounts.register(node, office.actor, wrong)
    queued = send(office)
    done = office.flush()
    assert done["states"] == {"deferred": 1} and done["whose"] == "the network" and done["exit_code"] == 69
    one = office.message(queued["id"])
    assert (one.state, one.attempts) == ("deferred", 1) and one.due > node.now()
    assert any("send" in each["what"] for each in office.perform("node/doctor")["ailments"])
    with office.machine.turns.mine():
        accounts.register(node, office.actor, right)
    assert office.flush()["states"] == {}  # not due yet
    with node.store.write() as unit:
        outbox.put(unit, msgspec.structs.replace(one, due=0))
    assert office.flush()["states"] == {"sent": 1}
    assert len(office.servers.wait_for(GRID, 1)) == 1


def test_what_is_put_off_waits_ever_longer_and_fails_in_the_end(office: Office) -> None:
    one = office.message(send(office)["id"])
    waits = []
    for _ in range(9):
        one = outbox.put_off(one, one.at + 60, "busy")
        waits.append(one.due - one.at - 60)
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    assert outbox.put_off(one, one.at + MAIL_GIVE_UP_SECONDS, "busy").state == "failed"


def test_a_message_is_taken_back_while_it_waits(office: Office) -> None:
    queued = send(office)
    done = office.perform("mail/cancel", id=queued["id"], reason="told by telephone")
    assert done["state"] == "failed" and "taken back by ada" in done["why"]
    assert office.flush()["states"] == {} and not office.servers.mailbox(GRID)
    with pytest.raises(Exception, match="failed already"):
        office.perform("mail/cancel", id=queued["id"], reason="again")


def tried(office: Office) -> tuple[bool, str]:
    """Return what `comity doctor --neighbours` says of the account."""
    (one,) = [one for one in office.perform("node/neighbours")["tried"] if one["kind"] == "mail"]
    assert one["what"] == "mail account cert of csirt"
    return one["works"], one["said"]


def test_starttls_and_logins_are_proven_before_anything_goes(office: Office) -> None:
    node, right = office.machine.services.node, office.account
    assert office.perform("mail/check")["wrong"] == []
    assert tried(office) == (True, "it logs in, and its keys hold")
    unknown = msgspec.structs.replace(right, smtp=msgspec.structs.replace(right.smtp, certificate=""))
    none = msgspec.structs.replace(
        right, smtp=msgspec.structs.replace(right.smtp, port=office.servers.plain, security="starttls")
    )
    for account, what in ((unknown, "does not hold"), (none, "offers no TLS")):
        with office.machine.turns.mine():
            accounts.register(node, office.actor, account)
        (wrong,) = office.perform("mail/check")["wrong"]
        works, told = tried(office)
        assert not works
        assert wrong[1] in told
        assert wrong[0] and what in wrong[1]
        send(office)
        office.flush()
    assert not office.servers.mailbox(GRID)
    good = msgspec.structs.replace(
        right, smtp=msgspec.structs.replace(right.smtp, port=office.servers.starttls, security="starttls")
    )
    with office.machine.turns.mine():
        accounts.register(node, office.actor, good)
    (office.party.home / "keys" / "cert-mail").write_text("basic cert@arcadia.example:wrong\n")
    wrong = office.perform("mail/check")["wrong"]
    assert [one[1].split(":")[1].strip() for one in wrong] == ["IMAP", "SMTP"]
    assert all("the login is refused" in one[1] and "wrong" not in one[1].split("refused")[1] for one in wrong)


# -- what goes by itself -----------------------------------------------------------------


def test_what_was_given_by_mail_and_is_taken_back_is_told_by_mail(office: Office) -> None:
    office.collect(indicator(1), indicator(2))
    send(office, choice={"names": [ident(1), ident(2)]})
    office.flush()
    retract(office, 1)
    assert office.flush()["states"] == {"sent": 1}
    _, data = office.servers.wait_for(GRID, 2)
    text = opened(office, data)[1].text
    assert f"{ident(1)}: retracted: it was our own printer" in text and ident(2) not in text
    with office.machine.services.node.store.read() as unit:
        who = correspondents.get(unit, office.actor, "grid")
    assert office.machine.services.owing.owed(who, Channel.MAIL) == []
    assert office.flush()["states"] == {}


def test_what_is_taken_back_is_told_to_who_takes_part_no_more_and_stays_owed_without_a_key(office: Office) -> None:
    office.collect(indicator(1))
    send(office, choice={"names": [ident(1)]})
    office.flush()
    allow(office, pgp=b"")
    retract(office, 1)
    with office.machine.turns.mine():
        correspondents.move(office.machine.services.node, office.actor, "grid", "ended", "left the sector")
    office.flush()
    _, data = office.servers.wait_for(GRID, 2)
    assert ident(1).encode() not in data and b"printer" not in data
    assert office.flush()["states"] == {}  # not each time
    with office.machine.services.node.store.read() as unit:
        who = correspondents.get(unit, office.actor, "grid")
    assert len(office.machine.services.owing.owed(who, Channel.MAIL)) == 1
    allow(office, pgp=office.grid.certificate)
    office.flush()
    _, _, data = office.servers.wait_for(GRID, 3)
    assert ident(1) in opened(office, data)[1].text


def test_a_digest_holds_what_became_visible_since_the_last_one(office: Office) -> None:
    node = office.machine.services.node
    office.collect(indicator(1))
    office.perform("mail/digest", name="grid", every=3_600)
    office.collect(indicator(2), indicator(3))
    office.collect(indicator(4), tlp=Tlp.AMBER_STRICT, source="other")

    def due() -> None:
        from comity.node.mail import telling

        with node.store.write() as unit:
            ((key, data),) = unit.documents.all(telling.DIGESTS)
            one = msgspec.json.decode(data, type=telling.Digest)
            unit.documents.put(telling.DIGESTS, key, msgspec.json.encode(msgspec.structs.replace(one, due=0)))

    assert office.flush()["states"] == {}
    due()
    assert office.flush()["states"] == {"sent": 1}
    (data,) = office.servers.wait_for(GRID, 1)
    inner = opened(office, data)[1]
    assert {one["id"] for one in json.loads(inner.files[0].data)["objects"]} >= {ident(2), ident(3)}
    assert ident(4) not in inner.files[0].data.decode()
    due()
    assert office.flush()["states"] == {}  # nothing is new
    assert office.perform("mail/digest", name="grid", end=True)["digests"] == []


def test_a_correspondents_certificate_is_looked_at_when_it_is_registered(tmp_path: Path) -> None:
    alone: Party = found(tmp_path, "arcadia", listens=False)
    grid = writer(GRID)
    (tmp_path / "secret.asc").write_text(str(grid.key))
    (tmp_path / "none.asc").write_text("x")
    (tmp_path / "grid.asc").write_bytes(grid.certificate)
    who = ("--as", "csirt")
    alone("party", "correspondent", "add", "grid", "--jurisdiction", "XA", "--ceiling", "AMBER", *who)
    ask = ("party", "correspondent", "allow", "grid", "mail", "--address", GRID, *who, "--pgp")
    assert "private key" in alone(*ask, tmp_path / "secret.asc", code=65).err
    alone(*ask, tmp_path / "none.asc", code=65)
    assert grid.fingerprint in alone(*ask, tmp_path / "grid.asc").out
    keys = alone.ask("mail", "keys", *who)["keys"]
    assert [(one["audience"].rpartition("~")[2], one["key"]["fingerprint"]) for one in keys] == [
        ("grid", grid.fingerprint)
    ]

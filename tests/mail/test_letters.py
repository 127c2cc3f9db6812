"""Letters through a real IMAP server: whose they are, what becomes of them, and nothing lost."""

from __future__ import annotations

import zipfile
from io import BytesIO

import pytest
from pysequoia import Cert

from comity.errors import Conflict, Misuse
from comity.formats.mail import write
from comity.limits import LETTERS_WAITING_MAX
from comity.node import correspondents, submissions
from comity.node.mail import accounts, letters
from comity.vocab import Channel
from tests.mail.conftest import CERT, EVE, GRID, Office, writer
from tests.node.correspond import indicator

REPORT = "TLP:AMBER\nWe saw bad[.]example and 198.51.100.7 today.\n"


def allow(office: Office, **changes: object) -> None:
    """Change the correspondent's mail channel."""
    node = office.machine.services.node
    with office.machine.turns.mine():
        with node.store.read() as unit:
            known = correspondents.get(unit, office.actor, "grid").by(Channel.MAIL)
        assert known is not None
        import msgspec

        correspondents.allow(node, office.actor, "grid", msgspec.structs.replace(known, **changes))


def test_an_encrypted_and_signed_report_is_taken_as_its_senders(office: Office) -> None:
    (letter,) = office.comes(office.grid.encrypted("Phishing", REPORT, office.certificate))
    assert (letter.state, letter.sort, letter.claim) == ("taken", "report", "proven")
    assert letter.signer == office.grid.fingerprint
    assert letter.label == "AMBER" and letter.ticket == "2026-1"
    assert office.known("bad.example") == [("~grid", "AMBER")]


def test_a_letter_signed_in_the_clear_is_taken_and_one_changed_on_its_way_is_not(office: Office) -> None:
    good = office.grid.signed("Phishing", REPORT)
    first, second = office.comes(good, good.replace(b"bad[.]example", b"own[.]example"))
    assert (first.state, first.claim) == ("taken", "proven")
    assert (second.state, second.claim) == ("waiting", "forged")
    assert "no signature of a registered key holds" in second.why
    assert not office.known("own.example")


def test_what_claims_a_correspondent_who_has_keys_is_never_theirs_without_them(office: Office) -> None:
    forger = writer(GRID)
    found = office.comes(
        forger.plain("Urgent", "block 198.51.100.9"),
        forger.signed("Urgent", "block 198.51.100.10"),
        forger.encrypted("Urgent", "block 198.51.100.11", office.certificate),
    )
    assert [(one.state, one.claim, one.claims.rpartition("~")[2]) for one in found] == [
        ("waiting", "forged", "grid")
    ] * 3
    assert all(one.why and not one.signer for one in found)
    assert not any(office.known(f"198.51.100.{n}") for n in (9, 10, 11))


def test_a_key_that_was_revoked_or_has_expired_proves_nothing(office: Office) -> None:
    certificate = office.grid.key.extract_certificate()
    revoked = bytes(certificate) + bytes(certificate.revoke(certifier=office.grid.key.certifier()))
    allow(office, pgp=bytes(Cert.from_bytes(revoked)))
    (letter,) = office.comes(office.grid.signed("Phishing", REPORT))
    assert (letter.state, letter.claim) == ("waiting", "forged") and "revoked" in letter.why
    short = writer(GRID, validity_seconds=62)  # the library dates a key back by a minute
    data = short.signed("Phishing", REPORT)
    allow(office, pgp=short.certificate)
    expires = short.key.extract_certificate().expiration
    assert expires is not None
    while office.machine.services.node.now() <= expires.timestamp():
        pass
    (letter,) = office.comes(data)
    assert (letter.state, letter.claim) == ("waiting", "forged") and "expired" in letter.why


def test_strangers_wait_for_a_person_who_takes_them_in_with_a_reason(office: Office) -> None:
    eve = writer(EVE)
    first, second, third = office.comes(
        eve.plain("TLP:GREEN report", "seen 198.51.100.8"), eve.signed("Hello", "198.51.100.9"), eve.plain("Ad", "buy")
    )
    assert {(one.state, one.claim) for one in (first, second, third)} == {("waiting", "unknown")}
    with pytest.raises(Misuse):
        office.perform("mail/accept", id=first.id, reason="plausible")
    office.collect(indicator(1), source="by mail")
    done = office.perform("mail/accept", id=first.id, reason="plausible", source="by mail")
    assert (done["state"], done["by"]) == ("accepted", "ada")
    # The source's default is AMBER; the letter says GREEN: its own label is its sender's.
    assert office.known("198.51.100.8") == [("by mail", "GREEN")]
    done = office.perform("mail/accept", id=second.id, reason="called back", sender="grid")
    assert done["claims"].endswith("~grid") and done["ticket"]
    assert [source for source, _ in office.known("198.51.100.9")] == ["~grid"]
    assert office.perform("mail/refuse", id=third.id, reason="an advertisement")["state"] == "refused"
    with pytest.raises(Conflict):
        office.perform("mail/refuse", id=third.id, reason="again")
    with office.machine.services.node.store.read() as unit:
        assert [row[4] for row in unit.quarantine.all(limit=1)] == ["an advertisement"]


def test_the_terms_may_let_what_they_send_wait(office: Office) -> None:
    node = office.machine.services.node
    with office.machine.turns.mine():
        correspondents.change(node, office.actor, "grid", waits=True)
    (letter,) = office.comes(office.grid.signed("Phishing", REPORT))
    assert letter.state == "taken" and not office.known("bad.example")
    with node.store.read() as unit:
        (waits,) = submissions.inbox(unit, office.actor)
    assert (waits.id,) == letter.submissions and waits.channel is Channel.MAIL
    office.perform("inbox/accept", id=waits.id, reason="plausible")
    assert office.known("bad.example") == [("~grid", "AMBER")]


def test_who_has_no_key_here_always_waits(office: Office) -> None:
    allow(office, pgp=b"")
    (letter,) = office.comes(office.grid.plain("Phishing", REPORT))
    assert (letter.state, letter.claim) == ("taken", "unkeyed") and "no key of grid" in letter.why
    assert not office.known("bad.example")
    with office.machine.services.node.store.read() as unit:
        assert [one.id for one in submissions.inbox(unit, office.actor)] == list(letter.submissions)


def test_a_request_waits_for_its_answer_and_what_it_asks_about_is_no_report(office: Office) -> None:
    found = office.comes(
        office.grid.signed("RFI: have you seen this host?", REPORT),
        office.grid.signed("Anything about bad[.]example?", ""),
    )
    assert [(one.state, one.sort) for one in found] == [("asked", "request")] * 2
    assert not office.known("bad.example")
    with office.machine.services.node.store.read() as unit:
        assert len(submissions.inbox(unit, office.actor)) == 2


def test_who_may_not_send_is_put_before_a_person(office: Office) -> None:
    allow(office, send=False)
    (letter,) = office.comes(office.grid.signed("Phishing", REPORT))
    assert letter.state == "waiting" and "may not send by mail" in letter.why and letter.claim == "proven"


# -- labels --------------------------------------------------------------------------


def test_the_strictest_label_anywhere_in_it_is_its_own(office: Office) -> None:
    cases = (
        ("[TLP:GREEN] a", "TLP:AMBER", "AMBER"),
        ("[TLP:AMBER+STRICT] b", "TLP:GREEN", "AMBER+STRICT"),
        ("[TLP:PURPLE] c", "", "RED"),
        ("d", "TLP:CLEAR\n\n> TLP:RED\n>", "RED"),
    )
    for number, (subject, text, label) in enumerate(cases, 1):
        said = f"{text} seen 198.51.100.{number}"
        (letter,) = office.comes(office.grid.encrypted(subject, said, office.certificate))
        assert letter.label == label
        assert office.known(f"198.51.100.{number}") == [("~grid", label)]


def test_what_bears_no_label_stays_at_home_unless_its_source_has_one(office: Office) -> None:
    office.comes(office.grid.signed("x", "seen 198.51.100.7"))
    assert office.known("198.51.100.7") == [("~grid", "")]


def test_nothing_in_a_letter_is_laxer_than_the_letter(office: Office) -> None:
    green = "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"
    bundle = indicator(1, object_marking_refs=[green]) + b"\n" + indicator(2)
    files = (
        write.File("x.json", "application/json", bundle),
        write.File("x.csv", "text/csv", b"type,value\nip,198.51.100.20\nip,198.51.100.21\n"),
    )
    (letter,) = office.comes(office.grid.signed("TLP:AMBER new", "attached", files=files))
    assert letter.state == "taken" and len(letter.submissions) == 3, letter
    assert office.known("host-1.example") == office.known("host-2.example") == [("~grid", "AMBER")]
    assert office.known("198.51.100.20") == [("~grid", "AMBER")]


# -- what is hostile or broken ---------------------------------------------------------


def test_archives_are_never_opened_and_stay_in_the_letter(office: Office) -> None:
    inner = BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("x.json", indicator(1))
    outer = BytesIO()
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr("inner.zip", inner.getvalue())
    files = (
        write.File("a.zip", "application/zip", outer.getvalue()),
        write.File("b.json", "application/json", inner.getvalue()),
    )
    (letter,) = office.comes(office.grid.signed("TLP:GREEN samples", "see", files=files))
    assert letter.state == "taken" and len(letter.submissions) == 1
    assert sum("archive, which is never opened" in note for note in letter.notes) == 2
    assert not office.known("host-1.example")
    shown = office.perform("mail/read", id=letter.id, part="2")
    assert [one["name"] for one in shown["files"]] == ["a.zip", "b.json"]
    import base64

    assert base64.b64decode(shown["data"]) == outer.getvalue()


def test_a_letter_of_html_alone_and_one_of_broken_encodings_are_read_as_far_as_they_can_be(office: Office) -> None:
    html = b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>TLP:GREEN <b>198.51.100.30</b><script>x</script></p>\r\n"
    broken = (
        b"Content-Type: text/plain; charset=klingon\r\nContent-Transfer-Encoding: base64\r\n\r\n%%%not base64\xff\r\n"
    )
    allow(office, pgp=b"")
    first, second = office.comes(
        office.grid.letter("page", html), office.grid.letter("=?utf-8?b?//8=?= 198.51.100.31 TLP:GREEN", broken)
    )
    assert first.state == second.state == "taken"
    with office.machine.services.node.store.read() as unit:
        waits = [one.id for one in submissions.inbox(unit, office.actor)]
    for ident in waits:
        office.perform("inbox/accept", id=ident, reason="plausible")
    assert office.known("198.51.100.30") == office.known("198.51.100.31") == [("~grid", "GREEN")]


def test_what_is_encrypted_for_another_key_waits_and_says_so(office: Office) -> None:
    other = writer(CERT)
    (letter,) = office.comes(office.grid.encrypted("Phishing", REPORT, other.certificate))
    assert letter.state == "waiting" and "encrypted for a key that is not here" in letter.why
    assert office.perform("mail/read", id=letter.id)["text"] == ""


def test_a_key_that_was_replaced_still_opens_what_is_on_its_way(office: Office) -> None:
    old = office.certificate
    import base64

    new = base64.b64encode(str(writer(CERT).key).encode()).decode()
    office.perform("mail/key", data=new)
    assert office.certificate != old
    (letter,) = office.comes(office.grid.encrypted("Phishing", REPORT, old))
    assert (letter.state, letter.claim) == ("taken", "proven")


def test_what_unfolds_beyond_all_bounds_is_refused_and_stops_nothing(
    office: Office, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import shutil
    import subprocess

    if shutil.which("gpg") is None:
        pytest.skip("no gpg here, which compresses")
    home = tmp_path_factory.mktemp("gpg")
    home.chmod(0o700)
    key = home / "key.asc"
    key.write_bytes(office.certificate)
    run = ["gpg", "--homedir", str(home), "--batch", "--quiet"]
    subprocess.run([*run, "--import", str(key)], check=True, capture_output=True)
    asked = ["--trust-model", "always", "-r", CERT, "--compress-algo", "zlib", "-z", "9", "--armor", "-e"]
    zeros = subprocess.Popen(["head", "-c", "900000000", "/dev/zero"], stdout=subprocess.PIPE)
    bomb = subprocess.run([*run, *asked], stdin=zeros.stdout, check=True, capture_output=True).stdout
    assert zeros.wait() == 0
    data = office.grid.letter("Phishing", write.pgp_encrypted(bomb, "x"))
    first, second = office.comes(data, office.grid.encrypted("Phishing", REPORT, office.certificate))
    assert first.state == "waiting" and "unfolds" in first.why
    assert (second.state, second.claim) == ("taken", "proven")


def test_a_letter_that_is_too_large_stays_on_the_server_and_is_named(office: Office) -> None:
    part = b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    data = office.grid.letter("Large", part + (b"QUFB" * 19 + b"\r\n") * 440_000)
    office.servers.deliver(CERT, data)
    assert office.fetch()["came"] == 1
    (letter,) = office.letters()
    assert (letter.state, letter.sort, letter.subject, letter.sender) == ("waiting", "too large", "Large", GRID)
    assert "stays there" in letter.why and letter.bytes < 100_000
    assert len(office.servers.mailbox(CERT)) == 1
    assert office.fetch()["came"] == 0


def test_several_senders_and_none_are_nobody(office: Office) -> None:
    data = office.grid.signed("x", REPORT)
    found = office.comes(
        data.replace(b"From: " + GRID.encode(), b"From: " + GRID.encode() + b", eve@evil.example"),
        data.replace(b"From: " + GRID.encode() + b"\r\n", b""),
    )
    assert {(one.state, one.claim, one.sender) for one in found} == {("waiting", "unknown", "")}


def test_the_same_signed_content_in_another_envelope_is_a_copy(office: Office) -> None:
    data = office.grid.signed("Phishing", REPORT)
    again = data.replace(b"Subject: Phishing", b"Subject: TLP:CLEAR news").replace(b"Message-ID: <", b"Message-ID: <z")
    (first,), (second,) = office.comes(data), office.comes(again)  # one after the other
    assert first.state == "taken" and (second.state, second.sort) == ("noted", "copy")


# -- each once ---------------------------------------------------------------------


def test_each_letter_is_taken_once_though_its_box_is_read_anew(office: Office) -> None:
    office.comes(*(office.grid.signed("x", f"TLP:GREEN\nseen 198.51.100.{n}") for n in range(5)))
    with office.machine.services.node.store.write() as unit:
        accounts.put_cursor(unit, office.account, accounts.Cursor(1, 0))  # of another UIDVALIDITY
    done = office.fetch()
    assert (done["came"], done["known"]) == (0, 5)
    assert len(office.letters()) == 5


def test_what_breaks_off_between_keeping_and_taking_is_taken_once_by_the_next_fetch(office: Office) -> None:
    node = office.machine.services.node
    files = (write.File("x.json", "application/json", indicator(1)),)
    data = office.grid.signed("TLP:GREEN x", "seen 198.51.100.7", files=files)
    with node.store.write() as unit:
        letters.keep(node, unit, office.account, data)
    taken = submissions.submit_bytes
    calls: list[str] = []

    def breaks(*args: object, **more: object) -> object:
        calls.append(str(more["name"]))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return taken(*args, **more)  # type: ignore[arg-type]

    submissions.submit_bytes = breaks  # type: ignore[assignment]
    try:
        with pytest.raises(KeyboardInterrupt):
            office.fetch()
    finally:
        submissions.submit_bytes = taken
    assert [one.state for one in office.letters()] == ["new"]
    office.fetch()
    (letter,) = office.letters()
    assert letter.state == "taken" and len(letter.submissions) == 2
    with node.store.read() as unit:
        assert len(submissions.inbox(unit, office.actor, waiting=False)) == 2


def test_letters_are_marked_once_they_are_kept_and_never_deleted(office: Office) -> None:
    office.comes(office.grid.signed("x", REPORT))
    folder = office.servers.base / "mail" / CERT / "Maildir" / "cur"
    (path,) = list(folder.iterdir())
    assert path.name.endswith("S")  # \\Seen


def test_strangers_fill_no_room_that_correspondents_need(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters, "LETTERS_WAITING_MAX", 8)
    assert LETTERS_WAITING_MAX > 8
    eve = writer(EVE)
    for n in range(9):
        office.servers.deliver(CERT, eve.plain(f"Ad {n}", "buy"))
    done = office.fetch()
    assert done["left"] == 3 and done["came"] == 6
    (letter,) = office.comes(office.grid.signed("Phishing", REPORT))
    assert letter.state == "taken"
    for one in office.letters():
        if one.state == "waiting":
            office.perform("mail/refuse", id=one.id, reason="an advertisement")
    assert office.fetch()["came"] == 3  # they were left, not lost
    assert not office.perform("mail/show")["accounts"][0]["left"]


# -- programs ------------------------------------------------------------------------


def test_programs_answers_loops_and_bounces_about_nothing_are_noted_and_answered_by_nobody(office: Office) -> None:
    bounce = (
        b"From: MAILER-DAEMON@mx.example\r\nSubject: Undelivered\r\n"
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n"
        b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
        b"Final-Recipient: rfc822; x@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b--\r\n"
    )
    found = office.comes(
        office.grid.plain("Away", "I am away", Auto_Submitted="auto-replied"),
        office.grid.signed("Received your message", "thanks", Precedence="auto_reply"),
        writer(CERT).plain("mine", "x"),
        writer(EVE).plain("around", "x", X_Loop=CERT),
        bounce,
    )
    assert [(one.state, one.sort) for one in found] == [
        ("noted", "automatic"), ("noted", "automatic"), ("noted", "loop"), ("noted", "loop"), ("noted", "bounce"),
    ]  # fmt: skip
    assert not office.perform("mail/outbox", all=True)["messages"]


def test_what_a_program_reports_is_a_report(office: Office) -> None:
    (letter,) = office.comes(office.grid.signed("Phishing", REPORT, Auto_Submitted="auto-generated"))
    assert letter.state == "taken" and office.known("bad.example")


def test_a_number_counts_only_for_whom_the_ticket_is_with(office: Office) -> None:
    (first,) = office.comes(office.grid.signed("Phishing", REPORT))
    forged, mine = office.comes(
        writer(EVE).plain("Re: [CERT-AR #2026-1] Phishing", "me too"),
        office.grid.signed("Re: [CERT-AR #2026-1] Phishing", "TLP:GREEN more: 198.51.100.40"),
    )
    assert first.ticket == "2026-1" and (forged.ticket, mine.ticket) == ("", "2026-1")

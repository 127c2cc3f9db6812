"""Mail read and written, on messages as programs of the field write them and on whatever else comes."""

from __future__ import annotations

import email
from email.message import EmailMessage
from email.policy import SMTP

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comity.errors import ComityError, Malformed, Misuse, TooLarge
from comity.formats import readers
from comity.formats.convert import TLP_REFS, Context, Loss, Made
from comity.formats.mail import bounces, headers, markings, message, protected, reading, tickets, write
from comity.formats.mail.headers import Address
from comity.formats.mail.message import Automatic, Protection
from comity.limits import MAIL_LINES_MAX, MAIL_PARAMS_CHARS_MAX, MAIL_PARTS_MAX, MAIL_STEPS_MAX
from comity.vocab import Pap, Tlp

ME = Address("CERT Arcadia", "cert@arcadia.example")
THEM = Address("Günther Müller", "gm@borealia.example")


def draft(**fields: object) -> write.Draft:
    given: dict[str, object] = {
        "ident": "1@arcadia.example", "at": 1_790_000_000, "sender": ME, "to": (THEM,), "about": "Ré: фишинг 钓鱼",
        "tag": "[CERT-AR #2026-17]", "text": "From here\n.\nhxxp://bad[.]example/ü\n", "tlp": Tlp.AMBER_STRICT,
    }  # fmt: skip
    return write.Draft(**{**given, **fields})  # type: ignore[arg-type]


def test_what_is_written_is_read_again() -> None:
    made = draft(pap=Pap.AMBER, references=("a@b", "c@d"), files=(write.File("probe.bin", "application/zip", b"PK\0"),))
    data = write.message(made, write.content(made))
    assert data.isascii()
    assert max(map(len, data.split(b"\r\n"))) <= 998
    got = message.read(data)
    assert got.subject == "[TLP:AMBER+STRICT] [CERT-AR #2026-17] Ré: фишинг 钓鱼".replace("Ré: ", "Ré: ")
    assert (got.ident, got.references, got.date) == ("1@arcadia.example", ("a@b", "c@d"), 1_790_000_000)
    assert got.senders == (ME,) and got.recipients == (THEM,)
    assert got.text.startswith("TLP:AMBER+STRICT  PAP:AMBER\n\nFrom here\n.\nhxxp://bad[.]example/ü")
    assert [(one.name, one.media, one.data) for one in got.files] == [("probe.bin", "application/zip", b"PK\0")]
    assert got.automatic is Automatic.REPLY and got.protection is Protection.NONE and not got.defects
    assert (markings.tlp(got), markings.pap(got)) == (Tlp.AMBER_STRICT, Pap.AMBER)
    assert tickets.number("cert-ar", got.subject) == "2026-17"
    # The standard library's reader agrees.
    theirs = email.message_from_bytes(data, policy=SMTP)
    assert isinstance(theirs, EmailMessage) and str(theirs["subject"]) == got.subject
    body = theirs.get_body(("plain",))
    assert body is not None and body.get_content().replace("\r\n", "\n").strip() == got.text.strip()


def test_the_same_draft_gives_the_same_bytes() -> None:
    made = draft(files=(write.File("ü.txt", "text/plain", b"x"),))
    assert write.message(made, write.content(made)) == write.message(made, write.content(made))


def test_an_encrypted_message_hides_what_it_is_about() -> None:
    made = draft()
    inside = write.content(made, hidden=True)
    data = write.message(made, write.pgp_encrypted(b"-----BEGIN PGP MESSAGE-----\nxx\n", made.ident), hidden=True)
    got = message.read(data)
    assert got.subject == "[TLP:AMBER+STRICT] [CERT-AR #2026-17]" and got.protection is Protection.PGP_ENCRYPTED
    assert protected.encrypted(data) == b"-----BEGIN PGP MESSAGE-----\r\nxx\r\n"
    assert message.read(inside).subject.endswith("фишинг 钓鱼")


def test_what_is_signed_is_cut_out_as_it_came() -> None:
    made = draft()
    entity = write.content(made)
    data = write.message(made, write.pgp_signed(entity, b"-----BEGIN PGP SIGNATURE-----\n", "pgp-sha512", made.ident))
    assert message.read(data).protection is Protection.PGP_SIGNED
    assert protected.signed(data).content == entity
    # A server that ends lines with LF alone changes nothing that is checked.
    assert protected.signed(data.replace(b"\r\n", b"\n")) == protected.Signed(
        entity, b"-----BEGIN PGP SIGNATURE-----\n"
    )


def test_an_smime_structure_is_given_back() -> None:
    made = draft()
    data = write.message(made, write.smime(bytes(range(256)), "enveloped-data"))
    assert message.read(data).protection is Protection.SMIME_ENCRYPTED
    assert protected.encrypted(data) == bytes(range(256))


@pytest.mark.parametrize(
    ("text", "tlp"),
    [
        ("TLP:AMBER+STRICT", Tlp.AMBER_STRICT), ("tlp amber", Tlp.AMBER), ("TLP:WHITE", Tlp.CLEAR),
        ("TLP:GREEN x", Tlp.GREEN), ("> TLP:RED\nTLP:GREEN", Tlp.RED), ("HTLP:RED", None), ("TLP:REDACTED", None),
        ("TLP:AMBER-STRICT", Tlp.AMBER_STRICT), ("TLP AMBER STRICT", Tlp.AMBER_STRICT), ("TLP\uff1aRED", Tlp.RED),
    ],
)  # fmt: skip
def test_the_strictest_label_counts(text: str, tlp: Tlp | None) -> None:
    assert markings.tlp(message.read(b"Subject: x\nContent-Type: text/plain; charset=utf-8\n\n" + text.encode())) is tlp


def test_a_label_in_a_field_counts() -> None:
    assert markings.tlp(message.read(b"Subject: x\nX-TLP: AMBER\n\nTLP:GREEN")) is Tlp.AMBER


@pytest.mark.parametrize(
    ("fields", "automatic"),
    [
        (b"", Automatic.NO), (b"Auto-Submitted: no\n", Automatic.NO),
        (b"Auto-Submitted: auto-replied\n", Automatic.REPLY),
        (b"Precedence: bulk\n", Automatic.LIST), (b"Return-Path: <>\n", Automatic.BOUNCE),
        (b"X-Autoreply: yes\n", Automatic.REPLY),
        (b"Content-Type: multipart/report; boundary=b\n", Automatic.BOUNCE),
        (b"List-Id: <l.example>\n", Automatic.LIST),
    ],
)  # fmt: skip
def test_programs_are_told_from_people(fields: bytes, automatic: Automatic) -> None:
    assert message.read(b"Subject: x\n" + fields + b"\n").automatic is automatic


BOUNCE = b"""\
From: MAILER-DAEMON@mx.example
Subject: Undelivered
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b

It did not arrive.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; gm@borealia.example
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 no such user

--b
Content-Type: message/rfc822

Message-ID: <1@arcadia.example>
Subject: x

--b--
"""


def test_a_bounce_says_what_did_not_arrive() -> None:
    got = bounces.read(message.read(BOUNCE))
    assert got == bounces.Notice(
        "1@arcadia.example", (bounces.Bounce("gm@borealia.example", "failed", "5.1.1", "550 no such user"),)
    )


def test_a_message_that_is_no_bounce_is_none() -> None:
    assert bounces.read(message.read(b"Subject: x\n\n")) is None


@pytest.mark.parametrize(
    ("said", "about"),
    [
        ("Re: AW: [TLP:RED] [CERT-AR #2026-1] Phish", "Phish"),
        ("回复：钓鱼", "钓鱼"),
        ("Reminder: x", "Reminder: x"),
        ("", ""),
    ],
)
def test_a_topic_is_bare(said: str, about: str) -> None:
    assert tickets.topic(said) == about


def test_html_alone_is_read_as_text() -> None:
    data = b"Subject: x\nContent-Type: text/html; charset=koi8-r\n\n<p>\xf4\xc5\xd3\xd4<script>alert(1)</script></p>"
    assert message.read(data).text.strip() == "Тест"


def test_broken_encodings_lose_nothing() -> None:
    data = b"Subject: =?no-such?Q?x=FF?= y\nContent-Type: text/plain; charset=nonsense\n\n\xff\xfe caf\xc3"
    got = message.read(data)
    assert "caf" in got.text and "y" in got.subject


def test_names_that_deceive_are_plain() -> None:
    got = message.read("From: \u202eGRO.KNAB <a@b.example>\nSubject: a\u200bb\n\n".encode())
    assert got.senders[0].name == "GRO.KNAB" and got.subject == "ab"


@pytest.mark.parametrize(
    "data",
    [
        b"Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n"
        + b"--b\nContent-Type: multipart/mixed; boundary=b\n\n" * 5_000,
        b"Subject: x\nContent-Type: message/rfc822\n\n" * 5_000,
    ],
)  # fmt: skip
def test_nesting_is_bounded(data: bytes) -> None:
    with pytest.raises(TooLarge, match="MAIL_PARTS_MAX"):
        message.read(data)


def test_what_is_over_a_limit_is_named() -> None:
    many = (
        b"Subject: x\nContent-Type: multipart/mixed; boundary=b\n" + b"\n--b\n\nx" * (MAIL_PARTS_MAX + 9) + b"\n--b--\n"
    )
    got = message.read(many)
    assert len(got.parts) == MAIL_PARTS_MAX and "MAIL_PARTS_MAX" in got.defects[0]


@pytest.mark.parametrize("field", ["about", "tag"])
def test_a_text_begins_no_header(field: str) -> None:
    made = draft(**{field: "x\r\nBcc: all@borealia.example\r\n\r\nbody"})
    got = message.read(write.message(made, write.content(made)))
    assert not headers.every(got.fields, "bcc")


@pytest.mark.parametrize(
    "address",
    [
        "a b@c.example",
        "a@b@c",
        "x",
        "a@b.example\r\nBcc: c@d.example",
        "<a@b.example>",
        "a@" + "\u00fc" * 70,
        "a@\u00fc..example",
    ],
)
def test_a_wrong_address_is_not_written(address: str) -> None:
    made = draft(to=(Address("x", address),))
    with pytest.raises(Misuse):
        write.message(made, write.content(made))


@given(st.binary(max_size=4_096))
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    for head in (b"", b"Subject: x\n", b"From: "):
        try:
            got = message.read(head + data)
        except ComityError:
            continue
        assert got.text is not None
        markings.tlp(got)
        bounces.read(got)


REPORT = """\
Received: from mx.example by mail.arcadia.example; Wed, 25 Nov 2026 06:00:00 +0000
From: GM <gm@borealia.example>
To: cert@arcadia.example
Subject: [TLP:AMBER] Phish on 198.51.100.7
Content-Type: multipart/mixed; boundary=b

--b

See hxxp://phish[.]example/login and CVE-2026-1234.
--b
Content-Type: application/zip; name=kit.zip
Content-Transfer-Encoding: base64

UEsDBA==
--b--
"""


def test_a_message_is_a_report_under_its_label() -> None:
    assert readers.recognise(REPORT.encode(), "x") == "mail"
    found = list(reading.read([REPORT.encode()], Context("desk", 1_790_000_000)))
    made = [msgspec.json.decode(one.data) for one in found if isinstance(one, Made)]
    assert [one["name"] for one in made] == ["198.51.100.7", "http://phish.example/login", "CVE-2026-1234",
                                             "Phish on 198.51.100.7"]  # fmt: skip
    assert all(one["object_marking_refs"] == [TLP_REFS[Tlp.AMBER]] for one in made)
    assert [(one.rule, one.where) for one in found if isinstance(one, Loss)] == [("attached", "2 kit.zip")]


FORWARD = b"""\
From: gm@borealia.example
Subject: Fwd
Content-Type: multipart/mixed; boundary=b

--b

FYI
--b
Content-Type: %b

%b
--b--
"""


@pytest.mark.parametrize(
    ("media", "within"),
    [
        (b"message/rfc822", b"Subject: [TLP:RED] the list\n\n198.51.100.7"),
        (b"message/rfc822", b"Subject: =?utf-8?B?W1RMUDpSRURd?=\n\n198.51.100.7"),
        (b"message/rfc822", b"Subject: x\nX-TLP: RED\n\n198.51.100.7"),
        (b"message/rfc822", b"Subject: x\n\nTLP:RED\n198.51.100.7"),
        (b"message/rfc822", b"Subject: x\nContent-Type: message/rfc822\n\nSubject: TLP:RED\n\n198.51.100.7"),
        (b"text/plain", b"TLP:RED\n198.51.100.7"),
        (b"text/html", b"<p>TLP:<b>RED</b> 198.51.100.7</p>"),
    ],
)
def test_no_value_is_read_under_a_laxer_label_than_its_own(media: bytes, within: bytes) -> None:
    found = list(reading.read([FORWARD % (media, within)], Context("desk", 1_790_000_000)))
    made = [msgspec.json.decode(one.data) for one in found if isinstance(one, Made)]
    assert [one["name"] for one in made] == ["198.51.100.7", "Fwd"]
    assert all(one["object_marking_refs"] == [TLP_REFS[Tlp.RED]] for one in made)
    assert not [one for one in found if isinstance(one, Loss)]  # what is read is not called unread


def test_what_a_forwarded_subject_names_is_read() -> None:
    data = FORWARD % (b"message/rfc822", b"Subject: Phish on 198.51.100.7\n\nx")
    made = [one for one in reading.read([data], Context("desk", 1_790_000_000)) if isinstance(one, Made)]
    assert b"198.51.100.7" in made[0].data


@pytest.mark.parametrize("charset", ["unicode_escape", "raw_unicode_escape", "utf-7"])
def test_no_half_of_a_character_comes_out_of_a_text(charset: str) -> None:
    data = f"Subject: x\nContent-Type: text/plain; charset={charset}\n\n\\ud800 +2AA- hxxp://bad[.]example/\\ud800+2AA-"
    message.read(data.encode()).text.encode()
    assert list(reading.read([data.encode()], Context("desk", 1_790_000_000)))


@pytest.mark.parametrize("charset", ["punycode", "idna", "unicode_escape"])
def test_a_codec_that_is_no_character_set_is_not_asked(charset: str) -> None:
    assert headers.decoded(b"ab-\\u0041", charset) == "ab-\\u0041"


@pytest.mark.parametrize("field", ["From", "To", "Reply-To"])
def test_comments_within_comments_stop_nothing(field: str) -> None:
    deep = "(" * 3_000 + ")" * 3_000
    assert message.read(f"Subject: x\n{field}: {deep} a@b.example\n\n".encode()).subject == "x"


def test_a_part_has_a_bounded_number_of_parameters() -> None:
    many = b';"' * 200_000  # minutes, were all of them taken apart
    for media in (b"text/plain", b"multipart/mixed"):
        got = message.read(b"Subject: x\nContent-Type: " + media + b'; a="' + many + b"\n\nx")
        assert len(headers.first(got.fields, "content-type")) == MAIL_PARAMS_CHARS_MAX
    block = b"Final-Recipient: rfc822; a@b.example\nContent-Type: multipart/mixed; a=" + many[:60_000] + b"\n\n"
    got = message.read(b"Subject: x\nReturn-Path: <>\n\n" + block)
    assert bounces.read(got) == bounces.Notice("", (bounces.Bounce("a@b.example", "", "", ""),))


def test_lines_within_parts_are_bounded() -> None:
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(200))
    with pytest.raises(TooLarge, match="lines"):
        message.read(b"Subject: x\n" + nested + b"\n" * (MAIL_STEPS_MAX // 100))
    with pytest.raises(TooLarge, match="lines"):
        message.read(b"Subject: x\n\n" + b"x\n" * (MAIL_LINES_MAX * 2))
    assert message.read(b"Subject: x\r\n\r\n" + b"x\r\n" * 100_000).text


def test_messages_within_messages_are_not_copied_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message, "MAIL_BYTES_MAX", 3_000)
    data = b"Content-Type: message/rfc822\nSubject: x\n\n" * 8 + b"Subject: x\n\n" + b"x" * 2_000
    got = message.read(data)
    assert sum(len(part.data) for part in got.parts) < 3_000 + 2_000
    assert any("MAIL_BYTES_MAX" in defect for defect in got.defects)
    assert got.parts[-1].data == b"x" * 2_000


def test_armour_is_looked_for_once() -> None:
    whole = "-----BEGIN PGP MESSAGE-----\nxx\n-----END PGP MESSAGE-----"
    assert protected.armoured(f"a\n{whole}\nb\n{whole}\n-----BEGIN PGP MESSAGE-----") == (whole, whole)
    assert len(protected.armoured((whole + "\n") * 40)) == 16
    assert protected.armoured("-----BEGIN PGP MESSAGE-----\n" * 100_000) == ()  # minutes, were each looked on from


@pytest.mark.parametrize("text", ["Note: a\nb: c\n", "a,b\n1,2\n", "From here on it rains.\n", "Date: x\n\nhello"])
def test_what_is_no_message_is_not_taken_for_one(text: str) -> None:
    assert readers.recognise(text.encode(), "x.txt") != "mail"


PIECES = [
    b"\n", b"\r\n", b"--b", b"--b--", b"Content-Type: multipart/mixed; boundary=b",
    b"Content-Type: multipart/signed; boundary=\"b\"",
    b"Content-Transfer-Encoding: base64", b"Content-Transfer-Encoding: x-uuencode", b"Subject: =?utf-8?B?/w==?=",
    b"From: ",
    b"Content-Type: text/html; charset=idna", b"<b", b"charset*0*=utf-8''%FF",
    b"Content-Disposition: attachment; filename*=x''%00",
    b"Message-ID: <", b"Date: Thu, 99 Foo", b"Content-Type: message/delivery-status", b"Final-Recipient: rfc822;a",
    b"\xff", b" ",
    b"Content-Type: message/rfc822", b"+2AA-", b"\\ud800", b"Content-Type: text/plain; charset=utf-7",
    b"Content-Type: text/plain; charset=unicode_escape",
    b"begin 644 x", b"Content-Type: text/plain; charset=punycode", b"=?x?q?", b"(", b"\"", b"@", b"<a@b>", b",",
]  # fmt: skip


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_any_pieces_are_a_message_or_malformed(pieces: list[bytes]) -> None:
    data = b"Subject: x\n" + b"".join(pieces)
    try:
        got = message.read(data)
    except ComityError:
        return
    bounces.read(got)
    markings.tlp(got)
    list(reading.read([data], Context("desk", 1_790_000_000)))
    for cut in (protected.signed, protected.encrypted):
        try:
            cut(data)
        except Malformed:
            pass

"""Tables of correspondents, addresses and certificates: any input gives a value or is malformed."""

from __future__ import annotations

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from comity.errors import Malformed
from comity.node import constituents, credentials
from comity.node.correspondents import Allowed, Correspondent
from comity.vocab import Channel, Tlp

EXAMPLES = settings(deadline=None, max_examples=200)


@EXAMPLES
@given(st.text() | st.binary().map(lambda data: "name,jurisdiction,ceiling\n" + data.decode("utf-8", "replace")))
def test_any_text_is_a_table_or_malformed(text: str) -> None:
    with contextlib.suppress(Malformed):
        for row in constituents.parse(text):
            assert row.wrong or row.line


@EXAMPLES
@given(st.binary(), st.text())
def test_any_certificate_and_address_give_a_value_or_malformed(data: bytes, address: str) -> None:
    with contextlib.suppress(Malformed):
        credentials.spki_digest(data)
    assert isinstance(credentials.network_of(address), str)


words = st.text(alphabet=st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=12)


@EXAMPLES
@given(
    title=words,
    terms=words,
    ceiling=st.sampled_from(Tlp),
    client=st.booleans(),
    until=st.integers(0, 2**31),
    channels=st.lists(st.sampled_from([Channel.TAXII, Channel.WEB, Channel.MAIL]), unique=True),
    send=st.booleans(),
)
def test_a_table_that_is_written_reads_back(
    title: str, terms: str, ceiling: Tlp, client: bool, until: int, channels: list[Channel], send: bool
) -> None:
    allowed = tuple(Allowed(channel, send) for channel in sorted(channels))
    one = Correspondent(
        "cert.arcadia.example/csirt",
        "grid",
        "XA",
        ceiling.value,
        client,
        (),
        terms,
        title,
        until=until,
        channels=allowed,
    )
    (row,) = constituents.parse(constituents.write([one]))
    assert not row.wrong
    assert (row.changes["title"], row.changes["terms"]) == (title, terms)
    assert (row.changes["ceiling"], row.changes["client"]) == (ceiling.value, client)
    assert row.changes.get("until", 0) == until
    assert dict(row.channels or ()) == dict.fromkeys(channels, send)

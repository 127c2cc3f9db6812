"""Tokens: shown once, kept as a digest, ended by time or by hand; what each may; how often."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from comity.canon import OfficeId
from comity.errors import Conflict, Malformed, Misuse, NotFound, Unverified
from comity.limits import API_REQUESTS_BURST, TOKEN_DAYS_MAX
from comity.node import tokens
from comity.node.actor import Actor
from comity.node.tokens import Token
from comity.party import OfficeRef
from comity.surfaces.api.admission import Buckets
from comity.surfaces.api.problems import TooManyRequests
from comity.testing.world import Inhabitant, World
from comity.vocab import Purpose
from tests.api.conftest import Node
from tests.cli.conftest import Party, found

DAY = 86_400


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(3, 1, tmp_path)
    yield made
    made.close()


def create(one: Inhabitant, name: str = "triage", **more: object) -> tuple[Token, str]:
    given = {"purpose": Purpose.READ, "write": False, "days": 90, **more}
    with one.node.writing() as unit:
        return tokens.create(one.node, unit, one.actor, name, **given)  # type: ignore[arg-type]


def home(one: Inhabitant) -> int:
    with one.store.read() as unit:
        return sum(log.size for log in unit.logs.all())


def kept(one: Inhabitant) -> bytes:
    with one.store.read() as unit:
        return b"".join(data for _, data in unit.documents.all(tokens.TOKENS))


def test_a_token_is_kept_as_its_digest_alone_and_its_making_is_on_record(world: World) -> None:
    (one,) = world.people
    before = home(one)
    made, text = create(one)
    assert home(one) == before + 1
    assert text.startswith(f"cmt_{made.id}_")
    secret = text.rpartition("_")[2]
    assert len(bytes.fromhex(secret)) == 32
    assert secret.encode() not in kept(one)
    assert hashlib.sha256(text.encode()).hexdigest().encode() in kept(one)
    assert (made.office, made.user) == ("csirt", "token:triage")


def test_a_token_ends_by_time_or_by_hand_always_in_the_same_words(world: World) -> None:
    (one,) = world.people
    _, text = create(one, days=1)
    assert tokens.verify(one.node, text).name == "triage"
    said = set()
    for wrong in (
        "",
        "cmt_",
        text[:-1],
        text + "0",
        text.upper(),
        f"cmt_{'0' * 12}_{'0' * 64}",
        text[:17] + "0" * 64,
        "é",
    ):
        with pytest.raises(Unverified) as refused:
            tokens.verify(one.node, wrong)
        said.add((str(refused.value), refused.value.hint))
    world.now += DAY - 1
    tokens.verify(one.node, text)
    world.now += 1
    with pytest.raises(Unverified) as refused:
        tokens.verify(one.node, text)
    said.add((str(refused.value), refused.value.hint))
    before = home(one)
    _, second = create(one)
    with one.node.writing() as unit:
        ended = tokens.revoke(one.node, unit, one.actor, "triage")
    assert (ended.revoked, home(one)) == (world.now, before + 2)
    with pytest.raises(Unverified) as refused:
        tokens.verify(one.node, second)
    said.add((str(refused.value), refused.value.hint))
    assert len(said) == 1


def test_the_last_use_is_known_to_the_hour_and_written_once_in_it(world: World) -> None:
    (one,) = world.people
    _, text = create(one)
    world.now += 3_600 - world.now % 3_600 + 5
    first = world.now - 5
    assert tokens.verify(one.node, text).used == first
    written = kept(one)
    world.now += 3_000
    assert tokens.verify(one.node, text).used == first
    assert kept(one) == written
    world.now += 3_600
    assert tokens.verify(one.node, text).used == first + 3_600


def test_what_no_token_can_be(world: World) -> None:
    (one,) = world.people
    create(one)
    with pytest.raises(Conflict):
        create(one)
    for days in (0, -1, TOKEN_DAYS_MAX + 1):
        with pytest.raises(Misuse):
            create(one, "other", days=days)
    with pytest.raises(Misuse):
        create(one, "other", purpose=Purpose.SENSOR, write=True)
    for name in ("", "A", "a/b", "token:x", "-"):
        with pytest.raises(Malformed):
            create(one, name)
    other = Actor(OfficeRef(one.name, OfficeId("police")), "bob")
    with one.node.writing() as unit, pytest.raises(NotFound):
        tokens.revoke(one.node, unit, other, "triage")


def test_an_ended_token_gives_its_name_back_and_is_forgotten_later(world: World) -> None:
    (one,) = world.people
    create(one, days=1)
    world.now += 2 * DAY
    create(one)
    with one.store.read() as unit:
        assert [each.holds(world.now) for each in tokens.tokens(unit, one.actor.office_id)] == [False, True]
    world.now += 200 * DAY
    create(one, "next")
    with one.store.read() as unit:
        assert [each.name for each in tokens.tokens(unit, one.actor.office_id)] == ["next"]


def test_a_bucket_empties_and_fills_again_each_for_itself() -> None:
    now = [0.0]
    buckets = Buckets(lambda: now[0])
    for _ in range(API_REQUESTS_BURST):
        buckets.take("one")
    with pytest.raises(TooManyRequests) as refused:
        buckets.take("one")
    assert refused.value.seconds >= 1
    buckets.take("other")
    now[0] += refused.value.seconds
    buckets.take("one")


def test_too_many_requests_are_told_when_to_come_back(node: Node) -> None:
    token = node.token()
    answers = [node.get("/sources", token) for _ in range(API_REQUESTS_BURST + 150)]
    refused = [one for one in answers if one.status == 429]
    assert {one.status for one in answers} == {200, 429}
    assert (int(refused[0].headers["retry-after"]), refused[0].json["whose"]) == (1, "this request")


def test_every_way_not_to_show_a_token_is_the_same_401(node: Node) -> None:
    token = node.token()
    stale = node.token("stale")
    node.perform("token/revoke", name="stale")
    wrong = [
        "", token, f"Basic {token}", f"Bearer{token}", f"Bearer {token}x", f"Bearer {stale}", f"Bearer {'x' * 5000}",
        "Bearer ", f"Bearer {token},{token}", "Bearer cmt_000000000000_" + "0" * 64,
    ]  # fmt: skip
    bodies = set()
    for header in wrong:
        got = node.send("GET", "/api/v1/sources", Authorization=header) if header else node.get("/sources", "")
        assert (got.status, got.headers["www-authenticate"]) == (401, 'Bearer realm="comity"')
        bodies.add((got.json["detail"], got.json["code"]))
    assert bodies == {("no token that holds was shown", "unverified")}
    assert node.get(f"/sources?access_token={token}", "").status == 401
    assert node.send("GET", "/api/v1/sources", Cookie=f"token={token}").status == 401
    assert node.get("/sources", token).status == 200


def test_a_token_that_may_only_read_puts_nothing_on_record(node: Node) -> None:
    reader = node.token(may="read")
    for path in ("/share", "/retract", "/narrow", "/sightings", "/questions", "/questions/x%231/answers"):
        got = node.post(path, reader, {})
        assert (path, got.status, got.json["code"]) == (path, 403, "refused")
    got = node.send("POST", "/api/v1/ingest?source=x", reader, b"{}")
    assert got.status == 403
    assert node.post("/lookup", reader, {"values": ["192.0.2.1"]}).status == 200


@pytest.fixture
def alone(tmp_path: Path) -> Party:
    return found(tmp_path, "arcadia", listens=False)


def test_the_command_line_makes_lists_and_ends_tokens(alone: Party) -> None:
    made = alone.ask(
        "token", "create", "triage", "--office", "csirt", "--purpose", "read", "--may", "write", "--days", "30"
    )
    assert made["shown"]["expires"] - made["shown"]["created"] == 30 * DAY
    secret = made["token"]
    assert "Keep it" in alone("token", "create", "other", "--office", "csirt").out
    listed = alone("token", "list", "--office", "csirt")
    assert secret not in listed.out
    assert "triage" in listed.out
    assert "There is no token" in alone("token", "list", "--office", "police").out
    assert "Revoked triage" in alone("token", "revoke", "triage", "--office", "csirt").out
    assert "REVOKED" in alone("token", "list", "--office", "csirt").out
    alone("token", "revoke", "triage", "--office", "csirt", code=NotFound.exit_code)
    alone("token", "create", "x", "--office", "csirt", "--days", "9999", code=Misuse.exit_code)

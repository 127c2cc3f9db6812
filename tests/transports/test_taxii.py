from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.responses import Response

from comity.errors import ComityError, Malformed, Misuse, NotFound, TooLarge, Unreachable
from comity.http.login import Login
from comity.limits import SOURCE_ATTEMPTS, SOURCE_RETRY_AFTER_MAX, TAXII_FRAME_BYTES_MAX, TAXII_NEXT_CHARS_MAX
from comity.node.polling import asked
from comity.testing.world import START
from comity.transports.caller import Caller
from comity.transports.discovery import Asked
from comity.transports.taxii import written
from tests.transports.conftest import Patience
from tests.transports.consumer import Consumer
from tests.transports.taxii_server import COLLECTION, Taxii, indicator

Call = Callable[..., Caller]
OBJECTS = f"/api1/collections/{COLLECTION}/objects/"


def objects_of(base: str) -> str:
    return base + OBJECTS


# ---- who asks ----


def test_a_login_is_sent_to_the_server_and_shown_nowhere(server: Taxii, base: str, call: Call) -> None:
    server.login = "Bearer s3cret"
    server.add(1, indicator(1))
    login = Login({"Authorization": "Bearer s3cret"})
    consumer = Consumer(lambda address: call(address, login), base + "/taxii2/")
    assert consumer.poll() is None
    assert len(consumer.kept) == 1
    assert "s3cret" not in repr(call(base, login))
    server.login = "Bearer other"
    consumer.cursor = b""
    error = consumer.poll()
    assert isinstance(error, Misuse)
    assert "keys/isac" in error.says()
    assert "s3cret" not in error.says()


# ---- what is asked ----


def test_every_version_is_asked_for_unless_told_otherwise(server: Taxii, base: str, call: Call) -> None:
    Consumer(call, objects_of(base)).poll()
    Consumer(call, objects_of(base), Asked("", (("type", "indicator,malware"), ("version", "last")))).poll()
    assert server.asked[0].query == {"limit": "1000", "match[version]": "all"}
    assert server.asked[1].query == {"limit": "1000", "match[type]": "indicator,malware", "match[version]": "last"}


def test_a_second_poll_asks_for_what_came_since_and_for_that_date_again(server: Taxii, base: str, call: Call) -> None:
    server.add(5, indicator(1))
    consumer = Consumer(call, objects_of(base))
    consumer.poll()
    server.add(5, indicator(2))  # at the very same time
    server.add(6, indicator(3))
    consumer.poll()
    assert server.asked[-1].query["added_after"] == written(START * 1_000_000 + 4)
    assert sorted(consumer.kept) == [indicator(1), indicator(2), indicator(3)]
    assert (consumer.known, consumer.again) == (1, 0)


def test_another_question_begins_anew(server: Taxii, base: str, call: Call) -> None:
    server.add(5, indicator(1))
    consumer = Consumer(call, objects_of(base))
    consumer.poll()
    consumer.asked = Asked("", (("type", "indicator"),))
    consumer.poll()
    assert "added_after" not in server.asked[-1].query
    consumer.cursor = b"\xc1 of another version"
    assert consumer.poll() is None


GROUPS = st.lists(st.integers(1, 5), max_size=6)  # how many objects are added at one time, time after time


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rounds=st.lists(
        st.tuples(GROUPS, st.dictionaries(st.integers(0, 8), st.integers(0, 2_000), max_size=3), st.integers(0, 9)),
        max_size=4,
    ),
    page=st.integers(1, 7),
    uses_next=st.booleans(),
    pops=st.booleans(),
    same=st.booleans(),
)
def test_what_is_kept_is_what_the_server_has_each_once(
    base: str, server: Taxii, call: Call, rounds: list[tuple[list[int], dict[int, int], int]], page: int,
    uses_next: bool, pops: bool, same: bool,
) -> None:  # fmt: skip
    """Whatever the pages, the dates (equal ones too), the cuts and the deaths of this side."""
    server.objects.clear()
    server.asked.clear()
    # Without `next` a page has to hold one date and an object more: no client could go on otherwise.
    server.page, server.uses_next = page if uses_next else 30 + page, uses_next
    server.pops, server.rest = pops and uses_next, []
    consumer = Consumer(call, objects_of(base))
    number, time = 0, 0
    for groups, cuts, death in rounds:
        for place, size in enumerate(groups):
            time += 0 if same and not place else 1  # more of a date that was read already
            server.add(time, *(indicator(number + each) for each in range(size)))
            number += size
        server.pages, server.cuts = 0, dict(cuts)
        consumer.poll(die_after=death)
    server.cuts.clear()
    assert consumer.poll() is None
    assert sorted(consumer.kept) == sorted(data for _, data in server.objects)
    assert not consumer.refused
    again = consumer.again
    assert consumer.poll() is None  # and nothing more
    assert consumer.again == again
    assert len(consumer.kept) == len(server.objects)


def test_objects_of_one_date_that_fill_more_than_a_page_come_by_next(server: Taxii, base: str, call: Call) -> None:
    server.add(5, *map(indicator, range(20)))
    consumer = Consumer(call, objects_of(base))
    assert consumer.poll() is None
    assert (len(consumer.kept), consumer.again) == (20, 0)


def test_a_long_edge_is_passed_over_however_many_pages_it_fills(server: Taxii, base: str, call: Call) -> None:
    server.page = 1
    server.add(5, *map(indicator, range(9)))
    consumer = Consumer(call, objects_of(base))
    assert consumer.poll() is None
    server.add(6, indicator(99))
    assert consumer.poll() is None
    assert (len(consumer.kept), consumer.known, consumer.again) == (10, 9, 0)


@pytest.mark.parametrize("status", [400, 404, 503])
def test_a_next_that_is_gone_is_left_and_the_date_leads_on(server: Taxii, base: str, call: Call, status: int) -> None:
    for number in range(9):
        server.add(number, indicator(number))

    def forgetful(envelope: dict[str, object], headers: dict[str, str]) -> None:
        if server.pages == 0:
            server.answers.append(Response(status_code=status))

    server.lie = forgetful
    consumer = Consumer(call, objects_of(base))
    assert consumer.poll() is None
    assert (len(consumer.kept), consumer.again) == (9, 0)


def test_without_next_larger_pages_are_asked_for_to_pass_over_one_date(
    server: Taxii, base: str, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("comity.transports.taxii.TAXII_LIMIT", 2)
    server.uses_next, server.page = False, 1_000
    server.add(5, *map(indicator, range(20)))
    server.add(6, indicator(99))
    consumer = Consumer(call, objects_of(base))
    assert consumer.poll() is None
    assert len(consumer.kept) == 21
    assert {one.query["limit"] for one in server.asked} == {"2", "8", "32"}


def test_without_next_more_of_one_date_than_a_page_holds_is_said_and_ends(server: Taxii, base: str, call: Call) -> None:
    server.uses_next = False
    server.add(5, *map(indicator, range(20)))
    consumer = Consumer(call, objects_of(base))
    error = consumer.poll()
    assert isinstance(error, Malformed)
    assert "at one time and gives no `next`" in str(error)
    assert len(server.asked) == 2
    assert len(consumer.kept) == 3


# ---- lies ----


def lying(**said: object) -> Callable[[dict[str, object], dict[str, str]], None]:
    def lie(envelope: dict[str, object], headers: dict[str, str]) -> None:
        for name, value in said.items():
            if name in {"first", "last"}:
                headers.pop(f"X-TAXII-Date-Added-{name.title()}", None)
                if value:
                    headers[f"X-TAXII-Date-Added-{name.title()}"] = str(value)
            elif value is None:
                envelope.pop(name, None)
            else:
                envelope[name] = value() if callable(value) else value

    return lie


def counting() -> Callable[[], str]:
    numbers = iter(range(1_000))
    return lambda: base64.b64encode(str(next(numbers) * 0).encode() + b" " * next(numbers)).decode()


@pytest.mark.parametrize(
    ("lie", "says"),
    [
        (lying(more=True, next="MA=="), "nothing new for 3 pages"),
        (lying(more=True, next=counting()), "nothing new for 3 pages"),
        (lying(more=True, next=None), "gives no `next`"),
        (lying(more=True, next=None, last=""), "neither `next` nor a date"),
        (lying(more=True, next="", objects=[]), "gives no `next`"),
        (lying(more=True, next="x" * (TAXII_NEXT_CHARS_MAX + 1)), "TAXII_NEXT_CHARS_MAX"),
        (lying(more="yes"), "no TAXII envelope"),
        (lying(objects={}), "no TAXII envelope"),
        (lying(objects=None, id="indicator--1"), "without an envelope"),
        (lying(filling="x" * TAXII_FRAME_BYTES_MAX), "TAXII_FRAME_BYTES_MAX"),
    ],
)
def test_a_server_that_would_never_end_is_ended(
    server: Taxii, base: str, call: Call, lie: Callable[[dict[str, object], dict[str, str]], None], says: str
) -> None:
    server.add(5, indicator(1), indicator(2))
    server.lie = lie
    consumer = Consumer(call, objects_of(base))
    error = consumer.poll()
    assert says in f"{error} {consumer.faults}"
    assert len(server.asked) < 8
    server.lie = lying()
    assert consumer.poll() is None
    assert sorted(consumer.kept) == [indicator(1), indicator(2)]


def test_an_end_that_came_too_early_is_made_up_for_by_the_next_poll(server: Taxii, base: str, call: Call) -> None:
    server.add(5, *map(indicator, range(5)))
    server.add(6, *map(indicator, range(5, 9)))
    server.lie = lying(more=False)
    consumer = Consumer(call, objects_of(base))
    consumer.poll()
    assert len(consumer.kept) == 3
    server.lie = lying()
    consumer.poll()
    assert (len(consumer.kept), consumer.known) == (9, 3)


@pytest.mark.parametrize(
    "last", ["2999-01-01T00:00:00.000000Z", "9999-99-99T00:00:00Z", "soon", "1960-01-01T00:00:00Z"]
)
def test_a_date_that_cannot_be_does_not_move_the_cursor(server: Taxii, base: str, call: Call, last: str) -> None:
    server.add(5, indicator(1))
    server.lie = lying(last=last, first="", more=False)
    consumer = Consumer(call, objects_of(base))
    assert consumer.poll() is None
    assert len(consumer.faults) == 1
    server.lie = lying()
    server.add(4, indicator(2))
    consumer.poll()
    assert "added_after" not in server.asked[-1].query
    assert len(consumer.kept) == 2


def test_the_first_date_of_a_single_object_is_its_last(server: Taxii, base: str, call: Call) -> None:
    server.add(5, indicator(1))
    server.lie = lying(last="")
    consumer = Consumer(call, objects_of(base))
    consumer.poll()
    consumer.poll()
    assert consumer.faults == []
    assert server.asked[-1].query["added_after"] == written(START * 1_000_000 + 4)


def test_dates_that_run_backwards_are_told_and_end_the_poll(server: Taxii, base: str, call: Call) -> None:
    server.page = 1
    dates = iter(range(50, 0, -1))
    for number in range(20):
        server.add(number, indicator(number))

    def lie(envelope: dict[str, object], headers: dict[str, str]) -> None:
        moment = written(START * 1_000_000 + next(dates))
        headers |= {"X-TAXII-Date-Added-First": moment, "X-TAXII-Date-Added-Last": moment}

    server.lie = lie
    consumer = Consumer(call, objects_of(base))
    error = consumer.poll()
    assert isinstance(error, Malformed)
    assert "order of dates" in str(error)
    assert len(server.asked) == 5
    assert "does not send objects in the order" in consumer.faults[0]


def test_other_bytes_under_a_version_that_is_held_are_told(server: Taxii, base: str, call: Call) -> None:
    server.add(5, indicator(1))
    consumer = Consumer(call, objects_of(base))
    consumer.poll()
    server.objects.clear()
    server.add(5, indicator(1, more=',"confidence":3'))
    consumer.poll()
    assert consumer.kept == [indicator(1)]
    assert consumer.faults == ["sends other bytes for a version that it has sent before: the first ones stand"]


@pytest.mark.parametrize(("limit", "value", "polls"), [("TAXII_PAGES_MAX", 2, 3), ("SOURCE_OBJECTS_MAX", 4, 3)])
def test_one_poll_takes_so_much_and_the_next_goes_on(
    server: Taxii, base: str, call: Call, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, polls: int
) -> None:
    for number in range(12):
        server.add(number, indicator(number))
    consumer = Consumer(call, objects_of(base))
    monkeypatch.setattr(f"comity.transports.taxii.{limit}", value)
    for number in range(1, polls + 1):
        assert consumer.poll() is None
        assert any(limit in fault for fault in consumer.faults) == (number < polls)
    assert len(consumer.kept) == 12


def test_a_poll_ends_in_time(server: Taxii, base: str, call: Call, patience: Patience) -> None:
    for number in range(12):
        server.add(number, indicator(number))

    def lie(envelope: dict[str, object], headers: dict[str, str]) -> None:
        patience.now += 10_000

    server.lie = lie
    consumer = Consumer(call, objects_of(base))
    assert consumer.poll() is None
    assert len(consumer.kept) == 6
    assert "SOURCE_POLL_SECONDS_MAX" in consumer.faults[0]


def test_bytes_of_a_poll_are_bounded(server: Taxii, base: str, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    server.page = 100
    for number in range(50):
        server.add(number, indicator(number))
    monkeypatch.setattr("comity.transports.taxii.SOURCE_BYTES_MAX", 5_000)
    consumer = Consumer(call, objects_of(base))
    error = consumer.poll()
    assert isinstance(error, TooLarge)
    assert "SOURCE_BYTES_MAX" in str(error)


def test_a_broken_object_stops_nothing_behind_it(server: Taxii, base: str, call: Call) -> None:
    server.page = 10
    server.add(1, indicator(1))
    server.add(2, b'{"type":"indicator","id":"indicator--x","name":"a\x01b"}')
    server.add(3, indicator(3))
    server.add(4, b"17")
    server.add(5, indicator(5))
    consumer = Consumer(call, objects_of(base))
    assert consumer.poll() is None
    assert [data for data in consumer.kept if data in {indicator(1), indicator(3), indicator(5)}] == [
        indicator(1), indicator(3), indicator(5),
    ]  # fmt: skip
    assert consumer.refused
    assert consumer.poll() is None
    assert server.asked[-1].query["added_after"] == written(START * 1_000_000 + 4)


# ---- patience ----


def test_who_is_busy_is_asked_again_when_it_says(server: Taxii, base: str, call: Call, patience: Patience) -> None:
    server.add(1, indicator(1))
    server.answers += [
        Response(status_code=503, headers={"Retry-After": "30"}),
        Response(status_code=429),
        Response(status_code=500),
    ]
    consumer = Consumer(call, objects_of(base))
    assert consumer.poll() is None
    assert patience.pauses == [30.0, 3.0, 6.0]
    assert len(consumer.kept) == 1


def test_who_wants_to_be_left_alone_for_long_is(server: Taxii, base: str, call: Call, patience: Patience) -> None:
    server.answers.append(Response(status_code=429, headers={"Retry-After": "7200"}))
    error = Consumer(call, objects_of(base)).poll()
    assert isinstance(error, Unreachable)
    assert (asked(error), patience.pauses, len(server.asked)) == (7_200, [], 1)
    server.answers.append(Response(status_code=429, headers={"Retry-After": "9" * 30}))
    error = Consumer(call, objects_of(base)).poll()
    assert asked(error) == SOURCE_RETRY_AFTER_MAX


def test_attempts_end(server: Taxii, base: str, call: Call, patience: Patience) -> None:
    server.answers += [Response(status_code=502)] * 10
    assert isinstance(Consumer(call, objects_of(base)).poll(), Unreachable)
    assert len(server.asked) == SOURCE_ATTEMPTS
    assert patience.pauses == [1.5, 3.0, 6.0]


@pytest.mark.parametrize("one_date", [False, True])
def test_a_server_that_fails_at_every_second_page_is_read_on_as_long_as_that_brings_something(
    server: Taxii, base: str, call: Call, one_date: bool
) -> None:
    for number in range(9):
        server.add(0 if one_date else number, indicator(number))

    def failing(envelope: dict[str, object], headers: dict[str, str]) -> None:
        server.answers.append(Response(status_code=500))

    server.lie = failing
    consumer = Consumer(call, objects_of(base))
    assert isinstance(consumer.poll(), Unreachable) is one_date
    assert len(server.asked) < 12
    server.lie = lying()
    server.answers.clear()
    assert consumer.poll() is None
    assert (len(consumer.kept), consumer.again) == (9, 0)


def test_a_cut_page_is_asked_for_again_and_what_came_of_it_is_kept(
    server: Taxii, base: str, call: Call, patience: Patience
) -> None:
    for number in range(9):
        server.add(number, indicator(number))
    server.cuts = {1: 500}
    consumer = Consumer(call, objects_of(base))
    assert consumer.poll() is None
    assert len(consumer.kept) == 9
    assert (consumer.known, consumer.again, len(server.asked)) == (2, 0, 5)
    assert "next" in server.asked[1].query
    assert "next" not in server.asked[2].query  # where it leads may have gone by with the cut
    assert patience.pauses == [1.5]
    server.cuts = dict.fromkeys(range(4, 20), 600)
    server.add(20, indicator(20))
    assert isinstance(consumer.poll(), Unreachable)


@pytest.mark.parametrize(
    ("status", "kind"), [(401, Misuse), (403, Misuse), (404, NotFound), (400, Malformed), (418, Malformed)]
)
def test_a_refusal_is_whose_it_is(server: Taxii, base: str, call: Call, status: int, kind: type[ComityError]) -> None:
    server.answers += [Response(status_code=status)]
    assert isinstance(Consumer(call, objects_of(base)).poll(), kind)
    assert len(server.asked) == 1

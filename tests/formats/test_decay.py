"""Decay: how a score falls, what sightings do to it, and models as data."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.errors import Malformed, Misuse
from comity.formats import decay
from comity.formats.decay import DAY, DEFAULT, Model, Models, Sighted, Verdict, aged, expires, read_models, score
from comity.formats.observables import KINDS

NOW = 1_790_000_000
BASES = st.integers(0, 100)
TIMES = st.integers(NOW - 400 * DAY, NOW + 400 * DAY)
KIND = st.sampled_from(KINDS)
MODEL = st.builds(
    Model,
    st.just("drawn"),
    st.just(()),
    st.floats(0, 3_000) | st.just(0.0),
    st.floats(0.1, 10),
    st.integers(0, 100),
    st.integers(0, 100),
)
TABLE = MODEL.map(lambda model: Models((model,)))
WITNESS = st.sampled_from(["arcadia", "borealia", "cascadia"])
SIGHTING = st.builds(Sighted, WITNESS, TIMES, st.sampled_from(Verdict))


def test_a_score_falls_as_misp_says_it_does() -> None:
    models = Models((Model("half", (), 10, 2.0),))
    days = [score(100, "ipv4", NOW, None, NOW + DAY * day, models) for day in (0, 1, 4, 9, 10, 11)]
    assert days == [100, 68, 36, 5, 0, 0]  # 100 × (1 − (t / 10)^(1 / 2)), rounded down
    even = Models((Model("even", (), 10),))
    assert [score(80, "ipv4", NOW, None, NOW + DAY * day, even) for day in (0, 5, 10)] == [80, 40, 0]


@given(BASES, KIND, TIMES, st.none() | TIMES, TIMES, TIMES)
def test_a_score_never_rises_with_time(
    base: int, kind: str, first: int, seen: int | None, one: int, other: int
) -> None:
    early, late = sorted((one, other))
    assert 0 <= score(base, kind, first, seen, late) <= score(base, kind, first, seen, early) <= base


@given(BASES, KIND, TIMES, TIMES, TIMES, TABLE)
def test_being_seen_never_lowers_a_score(base: int, kind: str, first: int, seen: int, at: int, models: Models) -> None:
    assert score(base, kind, first, seen, at, models) >= score(base, kind, first, None, at, models)


@given(BASES, BASES, TABLE, TIMES)
def test_a_higher_base_never_gives_a_lower_score(one: int, other: int, models: Models, at: int) -> None:
    low, high = sorted((one, other))
    assert score(low, "url", NOW, None, at, models) <= score(high, "url", NOW, None, at, models)


@given(BASES, KIND, TABLE)
def test_what_expires_does_so_in_the_second_that_is_named(base: int, kind: str, models: Models) -> None:
    model = models.of(kind)
    when = expires(base, kind, NOW, None, models)
    if when is None:
        assert aged(base, kind, NOW, [], NOW + 10**12, models).expired is False
        return
    assert aged(base, kind, NOW, [], when, models).expired
    assert when == NOW or not aged(base, kind, NOW, [], when - 1, models).expired
    assert when <= NOW + model.lifetime * DAY + 1


def test_a_later_sighting_puts_the_end_off() -> None:
    first = expires(60, "ipv4", NOW)
    later = expires(60, "ipv4", NOW, NOW + 5 * DAY)
    assert first is not None and later == first + 5 * DAY
    assert expires(10, "ipv4", NOW) == NOW, "below the threshold from the beginning"
    assert expires(50, "cve", NOW) is None


# -- sightings -----------------------------------------------------------------


def test_seeing_it_lets_the_score_begin_anew() -> None:
    at = NOW + 20 * DAY
    unseen, seen = aged(80, "ipv4", NOW, [], at), aged(80, "ipv4", NOW, [Sighted("arcadia", at)], at)
    assert (unseen.expired, seen.expired, seen.score, seen.since) == (True, False, 80, at)


def test_each_witness_of_a_false_positive_takes_its_share_once() -> None:
    doubts = [Sighted(who, NOW + n, Verdict.FALSE_POSITIVE) for n, who in enumerate("aabb")]
    assert aged(80, "cve", NOW, doubts[:1], NOW + 9).score == 60
    assert aged(80, "cve", NOW, doubts[:2], NOW + 9).score == 60
    found = aged(80, "cve", NOW, doubts, NOW + 9)
    assert (found.score, found.doubted_by, found.expired) == (40, ("a", "b"), False)
    many = [Sighted(f"{number}", NOW, Verdict.FALSE_POSITIVE) for number in range(9)]
    assert aged(80, "cve", NOW, many, NOW).score == 0


def test_a_witness_may_think_otherwise_later() -> None:
    doubt, seen = Sighted("a", NOW + 1, Verdict.FALSE_POSITIVE), Sighted("a", NOW + 2)
    assert aged(80, "cve", NOW, [doubt, seen], NOW + 3).doubted_by == ()
    again = Sighted("a", NOW + 2, Verdict.FALSE_POSITIVE)
    assert aged(80, "cve", NOW, [again, doubt, seen], NOW + 3).doubted_by == ("a",), "the one that lowers counts"


def test_an_expiration_ends_it_until_it_is_seen_again() -> None:
    end = Sighted("a", NOW + DAY, Verdict.EXPIRED)
    over = aged(80, "ipv4", NOW, [end], NOW + DAY)
    assert (over.score, over.expired, over.ended_by) == (0, True, "a")
    assert aged(80, "ipv4", NOW, [end], NOW + DAY - 1).expired is False, "not before it was said"
    assert aged(80, "ipv4", NOW, [end, Sighted("b", NOW + DAY)], NOW + DAY).expired, "the one that lowers counts"
    seen = aged(80, "ipv4", NOW, [end, Sighted("b", NOW + DAY + 1)], NOW + DAY + 1)
    assert (seen.score, seen.ended_by) == (80, "")


@given(BASES, KIND, TIMES, st.lists(SIGHTING, max_size=8), TIMES, st.randoms())
def test_the_order_of_sightings_never_matters(
    base: int, kind: str, first: int, sightings: list[Sighted], at: int, chance: st.DataObject
) -> None:
    mixed = [*sightings, *sightings[:2]]
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    assert aged(base, kind, first, mixed, at) == aged(base, kind, first, sightings, at)


@given(BASES, TABLE, st.lists(SIGHTING, max_size=8), TIMES, WITNESS, TIMES)
def test_a_word_that_lowers_never_raises(
    base: int, models: Models, sightings: list[Sighted], at: int, who: str, when: int
) -> None:
    before = aged(base, "url", NOW, sightings, at, models)
    for verdict in (Verdict.FALSE_POSITIVE, Verdict.EXPIRED):
        assert aged(base, "url", NOW, [*sightings, Sighted(who, when, verdict)], at, models).score <= before.score


@given(BASES, TABLE, st.lists(SIGHTING, max_size=8), TIMES, WITNESS, TIMES)
def test_seeing_it_never_lowers(
    base: int, models: Models, sightings: list[Sighted], at: int, who: str, when: int
) -> None:
    before = aged(base, "url", NOW, sightings, at, models)
    assert aged(base, "url", NOW, [*sightings, Sighted(who, when)], at, models).score >= before.score


@given(BASES, KIND, st.lists(SIGHTING, max_size=8), TIMES)
def test_what_is_yet_to_come_does_not_count(base: int, kind: str, sightings: list[Sighted], at: int) -> None:
    past = [one for one in sightings if one.at <= at]
    assert aged(base, kind, NOW, sightings, at) == aged(base, kind, NOW, past, at)


@pytest.mark.parametrize("base", [-1, 101])
def test_no_base_score_is_refused(base: int) -> None:
    with pytest.raises(Misuse):
        score(base, "ipv4", NOW, None, NOW)


# -- models --------------------------------------------------------------------


def test_every_kind_has_a_model() -> None:
    assert {kind: DEFAULT.of(kind).lifetime for kind in ("ipv4", "ipv6", "domain", "url", "sha256", "cve")} == {
        "ipv4": 30, "ipv6": 30, "domain": 90, "url": 30, "sha256": 1_095, "cve": 0,
    }  # fmt: skip
    assert all(DEFAULT.of(kind).name for kind in KINDS)
    assert Models(()).of("ipv4") is decay.NEVER


def test_models_are_read_from_toml() -> None:
    text = """
    [[model]]
    name = "fast"
    kinds = ["ipv4", "url"]
    lifetime = 3
    speed = 4.5
    threshold = 30

    [[model]]
    name = "rest"
    kinds = []
    lifetime = 0.5
    """
    models = read_models(text)
    assert models.of("url") == Model("fast", ("ipv4", "url"), 3, 4.5, 30)
    assert models.of("domain").name == "rest"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "model"),
        ("model = []", "1 to 64"),
        ("[[model]", "decay models"),
        ('[[model]]\nname = "a"\nkinds = []\nlifetime = -1', "lifetime"),
        ('[[model]]\nname = "a"\nkinds = []\nlifetime = nan', "lifetime"),
        ('[[model]]\nname = "a"\nkinds = []\nlifetime = inf', "lifetime"),
        ('[[model]]\nname = "a"\nkinds = []\nlifetime = 1\nspeed = 0', "speed"),
        ('[[model]]\nname = "a"\nkinds = []\nlifetime = 1\nthreshold = 101', "threshold"),
        ('[[model]]\nname = "a"\nkinds = []\nlifetime = 1\nfalse_positive = -1', "false_positive"),
        ('[[model]]\nname = "a"\nkinds = []\nlifetime = 1\nspeeed = 1', "speeed"),
        ('[[model]]\nname = "a"\nkinds = ["ip"]\nlifetime = 1', "no kind"),
        ('[[model]]\nname = "a"\nkinds = ["url", "url"]\nlifetime = 1', "two models"),
        ('[[model]]\nname = "a"\nkinds = []\nlifetime = 1\n' * 2, "two for all others"),
    ],
)
def test_what_is_no_table_of_models_is_refused_by_name(text: str, word: str) -> None:
    with pytest.raises(Malformed, match=word):
        read_models(text)


TOML = '[[model]]\nname = "a"\nkinds = ["url"]\nlifetime = 30\nspeed = 2.5\nthreshold = 20\nfalse_positive = 25\n'


@given(
    st.integers(0, len(TOML)), st.integers(0, 3), st.text('0123456789.-einfa=[]"\n', max_size=6) | st.text(max_size=3)
)
def test_any_text_is_a_table_or_malformed(at: int, cut: int, put: str) -> None:
    try:
        models = read_models(TOML[:at] + put + TOML[at + cut :])
    except Malformed:
        return
    assert 0 <= score(50, "url", NOW, None, NOW + DAY, models) <= 50
    assert expires(50, "url", NOW, None, models) is None or models.of("url").lifetime != 0

"""Catalogues: entries by any of their names, tags in words, hostile files, and the published ones where installed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.errors import Malformed, TooLarge
from comity.formats.catalogues import Catalogue, Entry, Related, Taxonomy, explain_galaxy, split_tag
from comity.limits import (
    CATALOGUE_BYTES_MAX,
    CATALOGUE_DESCRIPTION_CHARS_MAX,
    CATALOGUE_NAME_CHARS_MAX,
    CATALOGUE_NAMES_MAX,
)

UUID = "970a3432-3237-47ad-bcca-7d8cbb217736"
SHELL: dict[str, Any] = {
    "value": "Shell - T1059.001",
    "uuid": UUID,
    "description": "Runs\u202e\x1b[0m\ncommands.",
    "meta": {
        "external_id": "T1059.001",
        "kill_chain": ["attack:execution"],
        "refs": ["https://attack.example/T1059/001"],
        "synonyms": ["Command Line", "console"],
    },
    "related": [{"dest-uuid": "other", "type": "subtechnique-of"}, {"type": "none"}, 5],
}
WORM: dict[str, Any] = {"value": "Worm", "meta": {"synonyms": ["Console"], "deprecated": True}, "revoked": True}


def galaxy(*values: object, type_: str = "tools", **more: object) -> bytes:
    return json.dumps({"type": type_, "name": "Tools", "version": 3, "values": values, **more}).encode()


def names(found: tuple[Entry, ...]) -> list[str]:
    return [entry.name for entry in found]


@pytest.mark.parametrize(
    "text", ["T1059.001", "t1059.001", "Shell - T1059.001", "shell", " COMMAND  line ", UUID, UUID.upper()]
)
def test_an_entry_is_found_by_each_of_its_names(text: str) -> None:
    assert names(Catalogue(galaxy(WORM, SHELL)).find(text)) == ["Shell - T1059.001"]


def test_a_synonym_of_two_gives_both_and_a_name_comes_first() -> None:
    tools = Catalogue(galaxy(WORM, SHELL, {"value": "console"}))
    assert names(tools.find("Console")) == ["console", "Worm", "Shell - T1059.001"]
    assert tools.find("nothing") == () and tools.find("") == ()


def test_an_entry_has_what_its_file_says() -> None:
    (found,) = Catalogue(galaxy(SHELL)).find("shell")
    assert found == Entry(
        catalogue="tools",
        uuid=UUID,
        name="Shell - T1059.001",
        ids=("T1059.001",),
        synonyms=("Command Line", "console"),
        description="Runs\ufffd\ufffd[0m\ncommands.",
        refs=("https://attack.example/T1059/001",),
        phases=("attack:execution",),
        related=(Related("other", "subtechnique-of"),),
        revoked=False,
        deprecated=False,
    )
    assert found.tag == 'misp-galaxy:tools="Shell - T1059.001"'
    (worm,) = Catalogue(galaxy(WORM)).find("worm")
    assert worm.revoked and worm.deprecated


def test_words_are_bounded() -> None:
    value = {"value": "n" * 9_999, "description": "d" * 99_999, "meta": {"synonyms": ["s"] * 9_999, "refs": "one"}}
    (found,) = Catalogue(galaxy(value)).all()
    assert (len(found.name), len(found.description)) == (CATALOGUE_NAME_CHARS_MAX, CATALOGUE_DESCRIPTION_CHARS_MAX)
    assert len(found.synonyms) == CATALOGUE_NAMES_MAX and found.refs == ("one",)


def test_a_name_that_very_many_entries_have_is_bounded_too() -> None:
    tools = Catalogue(galaxy(*[{"value": "same"}] * 20_000))
    assert len(tools) == 20_000 and len(tools.find("same")) == CATALOGUE_NAMES_MAX


def test_what_is_no_entry_is_a_loss_and_stops_no_other() -> None:
    tools = Catalogue(galaxy(5, {"value": 5}, {}, {"value": " "}, None, SHELL), "tools.json")
    assert len(tools) == 1
    assert [lost.where for lost in tools.losses.shown] == [f"tools.json[{place}]" for place in range(5)]


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"type":"x","values":{}}', b'{"type":1,"values":[]}'])
def test_what_is_no_catalogue_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        Catalogue(data)
    with pytest.raises(Malformed):
        Taxonomy(data)


def test_a_file_beyond_the_limit_is_too_large() -> None:
    for kind in (Catalogue, Taxonomy):
        with pytest.raises(TooLarge):
            kind(b" " * (CATALOGUE_BYTES_MAX + 1))


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*SHELL, *SHELL["meta"]]), inner),
    max_leaves=10,
)


@given(st.lists(JSON, max_size=5), st.text(max_size=8))
def test_any_values_are_entries_or_losses(values: list[object], text: str) -> None:
    tools = Catalogue(galaxy(*values))
    assert len(tools) + tools.losses.counts.total() == len(values)
    for entry in tools.all():
        assert entry.name.isprintable()
        assert entry in tools.find(entry.name) or "\ufffd" in entry.name
    tools.find(text)


GOOD = galaxy(SHELL, WORM)
ADMIRALTY = {
    "namespace": "admiralty-scale",
    "version": 5,
    "predicates": [{"value": "source-reliability", "expanded": "Source Reliability"}, {"value": "plain"}],
    "values": [
        {
            "predicate": "source-reliability",
            "entry": [{"value": "b", "expanded": "Usually reliable", "description": "d", "numerical_value": 75}],
        }
    ],
}
SCALE = json.dumps(ADMIRALTY).encode()


@given(
    st.sampled_from([GOOD, SCALE]), st.integers(0, len(GOOD)), st.integers(0, 3), st.binary(max_size=4),
)  # fmt: skip
def test_any_bytes_are_a_catalogue_or_malformed(good: bytes, at: int, cut: int, put: bytes) -> None:
    data = good[:at] + put + good[at + cut :]
    for kind in (Catalogue, Taxonomy):
        try:
            made = kind(data)
        except Malformed:
            continue
        if isinstance(made, Catalogue):
            assert len([entry.tag for entry in made.all()]) == len(made) >= len(made.find("shell"))
        else:
            assert all(made.explain(tag).tag for tag in made.tags() if tag.strip())


# -- tags ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "parts"),
    [
        ("tlp:amber", ("tlp", "amber", "")),
        ("tlp:ex:chr", ("tlp", "ex:chr", "")),
        (' a:b="c = d" ', ("a", "b", "c = d")),
        ('a:b="c"d"', ("a", "b", 'c"d')),
        ("amber", None),
        ("a:", None),
        ('a:b="', None),
        ("a:b=c", None),
        ("", None),
    ],
)
def test_a_machine_tag_has_two_or_three_parts(tag: str, parts: tuple[str, str, str] | None) -> None:
    assert split_tag(tag) == parts


def test_a_tag_is_told_in_words() -> None:
    scale = Taxonomy(SCALE)
    told = scale.explain('ADMIRALTY-scale:source-reliability="B"')
    assert (told.words, told.description, told.number) == ("Source Reliability: Usually reliable", "d", 75)
    assert scale.explain("admiralty-scale:plain").words == "plain"
    assert scale.tags() == ("admiralty-scale:plain", 'admiralty-scale:source-reliability="b"')
    assert all(scale.explain(tag).known for tag in scale.tags())


@pytest.mark.parametrize(
    "tag", ["", "tlp:amber", "admiralty-scale:x", 'admiralty-scale:source-reliability="z"', "admiralty-scale"]
)
def test_a_tag_that_is_not_known_has_no_words(tag: str) -> None:
    assert not Taxonomy(SCALE).explain(tag).known


def test_a_tag_of_a_galaxy_names_its_entry_or_entries() -> None:
    tools = Catalogue(galaxy(SHELL, WORM))
    told = explain_galaxy('misp-galaxy:tools="Worm"', tools)
    assert told.words == "Tools: Worm (revoked) (deprecated)" and names(told.entries) == ["Worm"]
    both = explain_galaxy('misp-galaxy:tools="console"', tools)
    assert both.words == "Tools: Shell - T1059.001 or Worm" and both.description == ""
    for tag in ('misp-galaxy:other="Worm"', 'misp-galaxy:tools="x"', "misp-galaxy:tools", "tlp:red"):
        assert not explain_galaxy(tag, tools).known


@given(st.text(max_size=40))
def test_any_text_is_a_tag_or_none(text: str) -> None:
    told = Taxonomy(SCALE).explain(text)
    assert told.tag.isprintable() and not told.words
    assert split_tag("x" * 100_000 + text) is None

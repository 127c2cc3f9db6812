"""Patterns of STIX 2.0 as 2.1 writes them: renamed paths, bounds as timestamps, in linear time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stix2patterns.validator import run_validator

from comity.errors import Malformed
from comity.formats.stix.nested import upgrade_pattern
from comity.formats.stix.pattern import parse_pattern
from comity.limits import PATTERN_BYTES_MAX
from tests.formats.samples import SHA256, TIME
from tests.formats.test_upgrade import bundle, old, results, rules, trees

# --- patterns --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "gone"),
    [
        ("[url:value = 'process:name']", "[url:value = 'process:name']", 0),
        ("[process:name = 'x']", "[process:image_ref.name = 'x']", 0),
        ("[process:binary_ref.name = 'x']", "[process:image_ref.name = 'x']", 0),
        ("[process:parent_ref.name = 'x']", "[process:parent_ref.image_ref.name = 'x']", 0),
        ("[process:child_refs[*].name = 'x']", "[process:child_refs[*].image_ref.name = 'x']", 0),
        ("[file:created > t'2016-01-01T00:00:00Z']", "[file:ctime > t'2016-01-01T00:00:00Z']", 0),
        ("[file:parent_directory_ref.accessed = 'x']", "[file:parent_directory_ref.atime = 'x']", 0),
        ("[windows-registry-key:modified = 'x']", "[windows-registry-key:modified_time = 'x']", 0),
        ("[file:is_encrypted = true]", "[file:is_encrypted = true]", 1),
        ("[process:arguments[*] = 'x']", "[process:arguments[*] = 'x']", 1),
        (
            "[network-traffic:extensions.'socket-ext'.protocol_family = 'x']",
            "[network-traffic:extensions.'socket-ext'.protocol_family = 'x']",
            1,
        ),
        ("[file:hashes.'SHA-256' = '" + SHA256 + "']", "[file:hashes.'SHA-256' = '" + SHA256 + "']", 0),
        (
            "[url:value = 'a'] START '2016-06-01T00:00:00Z' STOP '2016-07-01T00:00:00Z'",
            "[url:value = 'a'] START t'2016-06-01T00:00:00Z' STOP t'2016-07-01T00:00:00Z'",
            0,
        ),
    ],
)
def test_a_pattern_has_the_names_of_2_1(before: str, after: str, gone: int) -> None:
    # The oracle does not read bounds that are texts, as drafts of 2.0 wrote them.
    assert not run_validator(before.replace("START '", "START t'").replace("STOP '", "STOP t'"), "2.0")
    made, missing = upgrade_pattern(before)
    assert (made, len(missing)) == (after, gone)
    parse_pattern(made)
    found = results(bundle(old("indicator", labels=["benign"], pattern=before, valid_from=TIME)))
    assert trees(found)[0]["pattern"] == after
    assert rules(found) == ["pattern-path"] * gone


PATTERNISH = st.lists(
    st.sampled_from(
        ["[", "]", "'", "\\", "process:name", "file:created", " = ", "START", " ", "t'", "a.b", "-", "['x']", "\n"]
    ),
    max_size=30,
).map("".join)


@given(PATTERNISH)
def test_any_text_stays_a_pattern_or_stays_none(text: str) -> None:
    made, _ = upgrade_pattern(text)
    try:
        parse_pattern(text)
    except Malformed:
        return
    parse_pattern(made)


@pytest.mark.parametrize("piece", ["'\\", "\\'", "a", "'", "a-", "a:b", "START ", "a:'\\"])
def test_no_pattern_takes_more_than_linear_time(piece: str) -> None:
    text = piece * (PATTERN_BYTES_MAX // len(piece))
    assert len(upgrade_pattern(text)[0]) >= len(text)  # with a step back for every letter this would never end

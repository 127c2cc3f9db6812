"""Published reports: every object comes out byte for byte, is accepted, and its pattern judged as OASIS judges it."""

from __future__ import annotations

import json
from ipaddress import ip_network
from pathlib import Path

import pytest
from antlr4 import InputStream
from stix2patterns.v21.validator import run_validator

from comity.formats.observables import Observable, key, leads, recognise
from comity.formats.stix import schemas
from comity.formats.stix.check import Checked, check_many
from comity.formats.stix.paths import observable_at
from comity.formats.stix.pattern import observables_of, parse_pattern, simple
from comity.formats.stix.split import Piece, split

EXAMPLES = schemas.examples()
# A folder of reports that are no part of the project, or one that comes with the schemas.
AMNESTY_BUNDLES = 4


def read(path: Path) -> tuple[bytes, list[Piece]]:
    data = path.read_bytes()
    found = list(split(data[start : start + 10_000] for start in range(0, len(data), 10_000)))
    assert all(isinstance(each, Piece) for each in found)
    return data, [each for each in found if isinstance(each, Piece)]


def accepted(path: Path) -> list[Checked]:
    """Return what all objects of a report were found to be, having checked that none was lost, changed or refused."""
    data, pieces = read(path)
    assert [json.loads(piece.data) for piece in pieces] == json.loads(data)["objects"]
    assert all(data[piece.offset : piece.offset + len(piece.data)] == piece.data for piece in pieces)
    results = check_many([piece.data for piece in pieces])
    assert all(isinstance(result, Checked) for result in results)
    return [result for result in results if isinstance(result, Checked)]


def judged_as_the_reference_does(path: Path, every: int = 1) -> None:
    patterns = [tree["pattern"] for tree in json.loads(path.read_bytes())["objects"] if tree["type"] == "indicator"]
    assert patterns
    for text in patterns[::every]:
        assert not run_validator(InputStream(text))
        parsed = parse_pattern(text)
        fast = simple(text)
        if fast is not None:
            found = dict.fromkeys(each for test in fast if (each := observable_at(*test)) is not None)
            assert tuple(found) == observables_of(parsed)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_reports_that_come_with_the_schemas_are_accepted_whole(path: Path) -> None:
    assert len(accepted(path)) == {"apt1": 76, "poisonivy": 155}[path.stem]
    judged_as_the_reference_does(path)


@pytest.mark.parametrize("path", sorted(EXAMPLES[0].parents[1].glob("*.json")), ids=lambda path: path.stem)
def test_the_smaller_examples_are_accepted_whole(path: Path) -> None:
    _, pieces = read(path)
    assert all(isinstance(result, Checked) for result in check_many([piece.data for piece in pieces]))


def test_values_of_the_reports_are_found_by_what_a_person_pastes() -> None:
    observables = [found for path in EXAMPLES for checked in accepted(path) for found in checked.observables]
    keys = set(map(key, observables))
    first = {found.kind: found.value for found in reversed(observables)}
    pasted = [first["domain"].replace(".", "[.]").upper(), first["md5"].upper(), f"hxxps://{first['domain']}:8443/x?y"]
    for text in pasted:
        direct = recognise(text)
        assert {key(found) for found in (*direct, *leads(direct[0]))} & keys, text
    prefix = next(found for found in observables if found.kind == "ipv4" and "/" in found.value)
    (address,) = recognise(str(ip_network(prefix.value)[-2]).replace(".", "(dot)"))
    assert key(address) not in keys
    assert prefix in leads(address)
    assert not {key(found) for found in recognise("good.example")} & keys


def test_the_bundles_of_amnesty_are_accepted_whole(shared_data: Path) -> None:
    paths = sorted((shared_data / "amnesty").rglob("*.stix2"))
    assert len(paths) == AMNESTY_BUNDLES
    for path in paths:
        results = accepted(path)
        indicators = [checked for checked in results if checked.type == "indicator"]
        assert all(checked.observables and not checked.note for checked in indicators)
        assert not any(checked.tlp or checked.markings for checked in results)
        judged_as_the_reference_does(path, every=25)


def test_addresses_that_amnesty_wrote_as_domain_names_are_found_as_addresses(shared_data: Path) -> None:
    (path,) = (shared_data / "amnesty").rglob("novispy.stix2")
    found = {observable for checked in accepted(path) for observable in checked.observables}
    assert any(kind == "ipv4" for kind, _ in found)
    assert Observable("text", "com.serv.services") in found

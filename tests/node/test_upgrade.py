"""A store whose views another version of the program folded."""

from __future__ import annotations

from pathlib import Path

import pytest

from comity.areas import intel
from comity.boot import compose
from comity.boot.compose import Machine, opened
from comity.boot.founding import found
from comity.canon import OfficeId
from comity.errors import Fault
from comity.node import doctor, ingest, rebuild
from comity.node.actor import Actor
from comity.node.node import SETTINGS
from comity.party import OfficeRef
from comity.surfaces.cli.founding import Founding
from tests.node.test_intelligence import indicator

OLD = b"1.6"
DUE = "folded by another version"


def actor(machine: Machine) -> Actor:
    """Return a user of the node's office."""
    return Actor(OfficeRef(machine.services.node.me, OfficeId("csirt")), "duty")


def looked_up(machine: Machine) -> int:
    """Return how many things are known of the indicator's address."""
    with machine.services.node.store.read() as unit:
        return len(machine.services.queries.lookup(unit, actor(machine), "192.0.2.7"))


def ailments(machine: Machine) -> str:
    """Return what the doctor says."""
    services = machine.services
    return "\n".join(one.what for one in doctor.examine(services.node, services.accords))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A node that holds one indicator."""
    home = tmp_path / "node"
    wanted = Founding(
        party="cert.arcadia.example",
        name="CERT Arcadia",
        jurisdiction="XA",
        offices=("csirt:csirt:National CSIRT",),
        user="duty",
    )
    found(home, wanted)
    with opened(home) as machine:
        node = machine.services.node
        with node.writing() as unit:
            origin = ingest.put_source(unit, actor(machine), "feed", None)
        assert ingest.ingest(node, actor(machine), origin, [indicator()]).kept == 1
    return home


def age(home: Path, version: bytes | None) -> None:
    """Leave the store as another version would: without this one's rows, and with its own word or none."""
    with opened(home) as machine, machine.services.node.store.write() as unit:
        unit.views.clear(intel.OBSERVABLE)
        unit.views.clear(intel.STATED)
        if version is None:
            unit.documents.delete(SETTINGS, rebuild.VIEWS_VERSION)
        else:
            unit.documents.put(SETTINGS, rebuild.VIEWS_VERSION, version)


def test_a_new_node_says_which_version_folds_its_views(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with opened(home) as machine:
        with machine.services.node.store.read() as unit:
            assert unit.documents.get(SETTINGS, rebuild.VIEWS_VERSION) == rebuild.version()
        assert (looked_up(machine), DUE in ailments(machine)) == (1, False)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("version", [OLD, None])
def test_views_of_another_version_are_folded_again_before_anything_is_answered(
    home: Path, capsys: pytest.CaptureFixture[str], version: bytes | None
) -> None:
    age(home, version)
    with opened(home) as machine:
        assert (looked_up(machine), DUE in ailments(machine)) == (1, False)
        node = machine.services.node
        with node.store.read() as unit:
            origin = ingest.source(unit, actor(machine), "feed")
        again = ingest.ingest(node, actor(machine), origin, [indicator()])
        assert (again.kept, again.known) == (0, 1)
    said = capsys.readouterr()
    assert "folded again" in said.err
    assert said.out == ""
    with opened(home):
        pass
    assert capsys.readouterr().err == ""


def test_where_they_cannot_be_folded_the_doctor_says_so(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise Fault("the disk is full")

    age(home, OLD)
    monkeypatch.setattr(compose.rebuild, "rebuild", full)
    with opened(home) as machine:
        assert DUE in ailments(machine)
    assert "the disk is full" in capsys.readouterr().err

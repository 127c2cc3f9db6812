"""The demonstration, as people run it: in a process of its own, once; its claims are what is tested."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.tree import ROOT

SECONDS = 240  # a machine that does other things too; on an idle one it takes half a minute

MAIN_CLAIMS = (
    "every private key is readable by its owner alone",
    "objects were validated, indexed and put on record",
    "is known, though it was written defanged",
    "the utility may not have what is for the office only",
    "entries give the signed root",
    "other words than the card's are refused",
    "Borealia may not have it yet: no accord",
    "at CERT Cascadia it is in force, signed by all 3",
    "CERT Cascadia holds every entry of Arcadia's log: nothing was left out",
    "Borealia and Cascadia say that they hold it",
    "both have witnessed Arcadia's log up to its last entry",
    "Borealia may not pass it on, and is told why",
    "its author at Cascadia is Arcadia, not Borealia",
    "the proof names Arcadia, by the words that Arcadia reads out",
    "the retraction has reached Cascadia through Borealia's relay",
    "CERT Cascadia: the copied leaf opens to nothing in another log",
    "CERT Cascadia: the invented words are refused: Arcadia's log does not prove them",
    "the altered file proves nothing",
    "the thief's log is as long as the one that Arcadia holds",
    "CERT Arcadia has proof of the fork, and believes nothing more of that log",
    "they had been shown different trees, each signed by Arcadia",
    "anybody can verify it offline, and the words are those that CERT Arcadia reads out",
    "CERT Cascadia signs, and finds nothing grave",
)


def comity(*words: str, temporary: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "TMPDIR": str(temporary)}
    return subprocess.run(
        [sys.executable, "-m", "comity.boot.main", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """The outcome of one demonstration, and the directory for temporary files that it used."""
    temporary = tmp_path_factory.mktemp("d")
    done = comity("demo", "--json", temporary=temporary)
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    return json.loads(done.stdout), temporary


def test_every_claim_is_checked_and_holds(played: tuple[dict[str, Any], Path]) -> None:
    outcome, _ = played
    assert outcome["failed"] == ""
    assert all(claim["holds"] for claim in outcome["claims"])


@pytest.mark.parametrize("claim", MAIN_CLAIMS)
def test_it_claims_that(claim: str, played: tuple[dict[str, Any], Path]) -> None:
    assert any(claim in made["what"] for made in played[0]["claims"])


def test_nothing_is_left_behind(played: tuple[dict[str, Any], Path]) -> None:
    outcome, temporary = played
    assert outcome["directory"] == ""
    assert not list(temporary.iterdir())

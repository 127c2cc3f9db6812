"""What hostile inputs come to at a node: limited, refused or neutralised, told, and the original still there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from comity.boot import reading
from comity.errors import Malformed
from tests.cli.conftest import Party
from tests.formats.hostile import slow_pdf


def bring(party: Party, path: Path, data: bytes, *more: str, code: int = 0) -> dict[str, Any]:
    """Bring an input in; whatever came of it, its original comes back byte for byte."""
    path.write_bytes(data)
    done: dict[str, Any] = party.ask("ingest", path, "--source", "s", "--tlp", "GREEN", *more, code=code)
    (one,) = party.ask("imports")["imports"]
    party("imports", "--original", one["digest"], "--to", path.with_name("back"))
    assert path.with_name("back").read_bytes() == data
    return done


def told(done: dict[str, Any], rule: str) -> str:
    """Return the reason given for the loss of a rule."""
    (reason,) = [one["reason"] for one in done["losses"] if one["rule"] == rule]
    assert isinstance(reason, str)
    return reason


def test_a_pdf_that_takes_for_ever_is_ended(alone: Party, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "READ_APART_SECONDS", 2)
    done = bring(alone, tmp_path / "advisory.pdf", slow_pdf())
    assert (done["kept"], done["lost"]) == (1, {"refused too-slow": 1})
    assert "what was found before that is kept" in told(done, "too-slow")
    assert alone.ask("lookup", "192.0.2.7")["answers"][0]["found"]


def test_a_pdf_that_is_none_is_refused(alone: Party, tmp_path: Path) -> None:
    done = bring(
        alone, tmp_path / "advisory.pdf", b"MZ\x90\0 this is no document", "--format", "pdf", code=Malformed.exit_code
    )
    assert done["lost"] == {"refused not-a-pdf": 1}

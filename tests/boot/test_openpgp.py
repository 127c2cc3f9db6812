"""The party's OpenPGP key: made whole, once; what its owner learns before it signs no more."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from pysequoia import Tsk

from comity.boot.openpgp import NAME, OpenPgpKey
from comity.canon import PartyId
from comity.errors import Fault

ME = PartyId("cert.arcadia.example")


def key(folder: Path) -> OpenPgpKey:
    return OpenPgpKey(folder, ME, ME)


def put(folder: Path, seconds: int) -> None:
    """Put a key that expires in the place of this party's."""
    path = folder / NAME
    path.write_text(str(Tsk.generate("CERT Arcadia <csirt@cert.arcadia.example>", validity_seconds=seconds)))
    path.chmod(0o600)


def test_it_is_made_once_and_whole(tmp_path: Path) -> None:
    assert key(tmp_path).expires() is None
    assert not list(tmp_path.iterdir())  # asking makes none
    one = key(tmp_path)
    assert one.sign(b"x").startswith(b"-----BEGIN PGP SIGNATURE")
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert key(tmp_path).fingerprint() == one.fingerprint()


def test_whoever_is_second_takes_the_key_of_the_first(tmp_path: Path) -> None:
    first, second = key(tmp_path), key(tmp_path)
    first.certificate()
    made = second._make()  # it looked before the first had written
    assert str(made.extract_certificate().fingerprint) == first.fingerprint()
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_key_that_signs_no_more_is_said_to(tmp_path: Path) -> None:
    put(tmp_path, 1)
    one = key(tmp_path)
    expires = one.expires()
    assert expires is not None
    while time.time() <= expires + 1:
        time.sleep(0.1)
    with pytest.raises(Fault, match="does not sign") as caught:
        one.sign(b"x")
    assert "openpgp.asc aside" in (caught.value.hint or "")
    assert "\n" not in str(caught.value)

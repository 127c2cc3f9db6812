"""PDF: the text of good ones, and a line for whatever a bad one is."""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.formats.convert import Context, Loss, Made, Outcome
from comity.formats.stix.check import Checked, check_many
from comity.formats.text import pdf as module
from comity.formats.text.pdf import read_pdf

pytest.importorskip("pypdf", reason="reading PDF is optional: install comity[pdf]")

CONTEXT = Context("arcadia-blog", 1_772_000_000)


def lines(text: str) -> bytes:
    """Return a page's content that shows each line of a text."""
    shown = (line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)") for line in text.split("\n"))
    return b"BT /F1 12 Tf 50 700 Td " + b" ".join(f"({line}) Tj 0 -14 Td".encode() for line in shown) + b" ET"


def document(*pages: bytes, filters: str = "", kids: str = "", title: str = "", extra: str = "") -> bytes:
    """Return a PDF whose pages have these content streams, written as PDF 1.7 §7.5 says."""
    numbers = range(4, 4 + 2 * len(pages), 2)
    named = kids or " ".join(f"{number} 0 R" for number in numbers)
    objects = {
        1: b"<</Type/Catalog/Pages 2 0 R>>",
        2: f"<</Type/Pages/Kids[{named}]/Count {len(pages)}>>".encode(),
        3: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    }
    for number, content in zip(numbers, pages, strict=True):
        objects[number] = (
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Resources<</Font<</F1 3 0 R>>{extra}>>"
            f"/Contents {number + 1} 0 R>>"
        ).encode()
        objects[number + 1] = f"<</Length {len(content)}{filters}>>\nstream\n".encode() + content + b"\nendstream"
    if title:
        objects[max(objects) + 1] = f"<</Title({title})>>".encode()
    data, places = b"%PDF-1.7\n", []
    for number in sorted(objects):
        places.append(len(data))
        data += f"{number} 0 obj\n".encode() + objects[number] + b"\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    info = f"/Info {max(objects)} 0 R" if title else ""
    head = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<</Size {size}/Root 1 0 R{info}>>\nstartxref\n"
    return data + head.encode() + f"{len(data)}\n%%EOF\n".encode()


def run(data: bytes, **options: Any) -> tuple[list[dict[str, Any]], list[Loss]]:
    items = list(read_pdf([data[:9], data[9:]], CONTEXT, **options))
    made = [one.data for one in items if isinstance(one, Made)]
    assert all(isinstance(one, Checked) for one in check_many(made))
    return [json.loads(one) for one in made], [one for one in items if isinstance(one, Loss)]


def names(objects: list[dict[str, Any]], kind: str = "indicator") -> list[str]:
    return [one["name"] for one in objects if one["type"] == kind]


def rules(losses: list[Loss]) -> list[tuple[Outcome, str]]:
    return [(one.outcome, one.rule) for one in losses]


def test_the_text_of_each_page_is_scanned() -> None:
    data = document(lines("Advisory 7\nC2: bad[.]example"), lines("and 192.0.2.7 \\(seen\\)"))
    objects, losses = run(data)
    assert names(objects) == ["bad.example", "192.0.2.7"]
    assert names(objects, "report") == ["Advisory 7"]
    assert not losses
    places = [one.where for one in read_pdf([data], CONTEXT) if isinstance(one, Made)]
    assert places == ["page 1", "page 2", "text"]


def test_the_title_of_the_document_names_the_report() -> None:
    data = document(lines("first 192.0.2.7"), title="Loader")
    assert names(run(data)[0], "report") == ["Loader"]
    assert names(run(data, title="Mine")[0], "report") == ["Mine"]


def test_compressed_pages_are_read() -> None:
    data = document(zlib.compress(lines("192.0.2.7")), filters="/Filter/FlateDecode")
    assert names(run(data)[0]) == ["192.0.2.7"]


def test_without_the_library_the_loss_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypdf", None)
    objects, losses = run(document(lines("192.0.2.7")))
    assert not objects
    assert rules(losses) == [(Outcome.REFUSED, "no-reader")]
    assert "comity[pdf]" in losses[0].reason


@pytest.mark.parametrize("data", [b"", b"<html>", b"PK\3\4" * 400, b"\0" * 5_000, b" " * 2_000 + b"%PDF-1.7"])
def test_what_is_no_pdf_is_refused(data: bytes) -> None:
    assert rules(run(data)[1]) == [(Outcome.REFUSED, "not-a-pdf")]


@pytest.mark.parametrize("data", [b"%PDF-1.7", b"%PDF-1.7\n" + b"1 0 obj" * 500, b"%PDF-1.7\nstartxref\n0\n%%EOF"])
def test_a_pdf_that_is_only_a_head_is_refused(data: bytes) -> None:
    assert rules(run(data)[1]) == [(Outcome.REFUSED, "broken")]


def test_an_encrypted_document_is_refused() -> None:
    import pypdf

    writer = pypdf.PdfWriter()
    writer.add_blank_page(100, 100)
    writer.encrypt("secret", algorithm="AES-256")
    parts: list[bytes] = []

    class Sink:
        def write(self, data: bytes) -> int:
            parts.append(data)
            return len(data)

        def tell(self) -> int:
            return sum(map(len, parts))

    writer.write_stream(Sink())  # type: ignore[arg-type]  # all that it uses of a file
    assert rules(run(b"".join(parts))[1]) == [(Outcome.REFUSED, "encrypted")]


def test_a_page_that_unpacks_to_too_much_is_refused_and_the_next_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = zlib.compress(zlib.compress(b"0 " * 40_000_000, 9), 9)
    assert len(bomb) < 5_000
    data = document(bomb, zlib.compress(zlib.compress(lines("192.0.2.7"))), filters="/Filter[/FlateDecode/FlateDecode]")
    objects, losses = run(data)
    assert names(objects) == ["192.0.2.7"]
    assert rules(losses) == [(Outcome.REFUSED, "broken")]


def test_too_many_filters_are_refused() -> None:
    content = lines("192.0.2.7")
    for _ in range(20):
        content = zlib.compress(content)
    _, losses = run(document(content, filters=f"/Filter[{'/FlateDecode' * 20}]"))
    assert (Outcome.REFUSED, "broken") in rules(losses)


@pytest.mark.parametrize("kids", ["2 0 R", "4 0 R 2 0 R", "99 0 R", "1 0 R", "[2 0 R]", "null", "2 0 R " * 500])
def test_a_tree_of_pages_that_is_none_ends(kids: str) -> None:
    _, losses = run(document(lines("192.0.2.7"), kids=kids))
    assert all(one.outcome in {Outcome.REFUSED, Outcome.UNMAPPED} for one in losses)
    assert losses or kids.startswith("4")


def test_pages_named_again_and_again_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PDF_PAGES_MAX", 3)
    objects, losses = run(document(lines("192.0.2.7"), kids="4 0 R " * 50))
    assert names(objects) == ["192.0.2.7"]
    assert rules(losses) == [(Outcome.REFUSED, "too-many")]


def test_operations_and_text_of_a_document_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = [lines("192.0.2.7"), lines("x\n" * 50), lines("198.51.100.7")]
    monkeypatch.setattr(module, "PDF_OPERATIONS_MAX", 120)
    objects, losses = run(document(*pages))
    assert names(objects) == ["192.0.2.7"]
    assert rules(losses) == [(Outcome.REFUSED, "too-large")]
    monkeypatch.undo()
    monkeypatch.setattr(module, "PDF_TEXT_CHARS_MAX", 30)
    assert rules(run(document(*pages))[1]) == [(Outcome.REFUSED, "too-large")]


def test_a_document_of_broken_pages_is_given_up() -> None:
    _, losses = run(document(b"not compressed", filters="/Filter[/Nothing]", kids="4 0 R " * 500))
    assert rules(losses)[-2:] == [(Outcome.REFUSED, "too-many"), (Outcome.UNMAPPED, "nothing-found")]
    assert len(losses) < 100


def test_forms_that_call_themselves_end() -> None:
    content = b"/X Do " * 50 + lines("192.0.2.7")
    data = document(
        content, extra="/XObject<</X 5 0 R>>", filters="/Type/XObject/Subtype/Form/Resources<</XObject<</X 5 0 R>>>>"
    )
    objects, losses = run(data)
    assert names(objects) == ["192.0.2.7"] or losses


def test_a_file_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PDF_BYTES_MAX", 100)
    assert rules(run(document(lines("192.0.2.7")))[1]) == [(Outcome.REFUSED, "too-large")]


GOOD = document(zlib.compress(lines("bad.example 192.0.2.7")), lines("x"), title="T", filters="")


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(GOOD)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data) - 1))
        piece = draw(
            st.sampled_from([b"", b"0", b"2 0 R", b"[", b"<<", b">>", b"/Kids", b"/Filter/FlateDecode", b"9" * 20])
        )
        data[at : at + draw(st.integers(0, 12))] = piece + draw(st.binary(max_size=2))
    return bytes(data)


def chunks(data: bytes) -> Iterator[bytes]:
    yield data


@given(mutated() | st.binary(max_size=200).map(lambda data: b"%PDF-1.4\n" + data))
def test_any_bytes_give_objects_that_pass_or_losses(data: bytes) -> None:
    items = list(read_pdf(chunks(data), CONTEXT))
    assert items
    made = [one.data for one in items if isinstance(one, Made)]
    assert all(isinstance(one, Checked) for one in check_many(made))

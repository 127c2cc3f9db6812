"""Letters that pass for Latin ones are written out among Latin ones, and nothing else is changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comity.formats.lookalikes import told


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("CERT Arcadia", "CERT Arcadia"),
        ("CERT \u0410rcadia", "CERT \\u0410rcadia"),
        ("p\u0430yp\u0430l login", "p\\u0430yp\\u0430l login"),
        ("\u039fffice", "\\u039fffice"),
        ("\u0421\u0415RT", "\\u0421\\u0415RT"),
        ("г\u0430zprom", "г\\u0430zprom"),  # the letter that nobody takes for a Latin one gives itself away
        ("Привет, мир: CERT Аркадии, IP-адрес", "Привет, мир: CERT Аркадии, IP-адрес"),
        ("Ελλάδα and 5 kΩ, 10 μs, β-lactam", "Ελλάδα and 5 kΩ, 10 μs, β-lactam"),
        ("évêque 中文 العربية", "évêque 中文 العربية"),
        ("", ""),
    ],
)
def test_only_what_passes_for_latin_among_latin_is_written_out(text: str, shown: str) -> None:
    assert told(text) == shown


@given(st.text(alphabet=st.sampled_from("aAé1 -.\u0430\u0410\u043e\u03bf\u0585Ωмир")))
def test_what_is_written_out_can_be_read_back_and_no_word_mixes_any_more(text: str) -> None:
    shown = told(text)
    assert shown.encode("ascii", "backslashreplace") == text.encode("ascii", "backslashreplace")
    assert told(shown) == shown

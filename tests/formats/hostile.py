"""Inputs that are made to cost whoever reads them."""

from __future__ import annotations

PDF_PAGES = 4_096


def written(objects: dict[int, bytes]) -> bytes:
    """Return a PDF of these objects, the first of them the catalogue (PDF 1.7 §7.5)."""
    data, places = b"%PDF-1.7\n", []
    for number, body in sorted(objects.items()):
        places.append(len(data))
        data += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    return data + b"xref\n0 %d\n0000000000 65535 f \n%btrailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (
        size, table, size, len(data),
    )  # fmt: skip


def slow_pdf() -> bytes:
    """Return 40 kB that are read for minutes: every page's font maps all of Unicode, and is read anew."""
    content = b"BT /F1 12 Tf (192.0.2.7) Tj ET"
    whole = b"begincmap\n1 beginbfrange\n<0000><ffff><0000>\nendbfrange\nendcmap\n"
    plain = b"<</F1 7 0 R>>"
    return written(
        {
            1: b"<</Type/Catalog/Pages 2 0 R>>",
            2: b"<</Type/Pages/Kids[8 0 R %b]/Count %d>>" % (b"6 0 R " * (PDF_PAGES - 1), PDF_PAGES),
            3: b"<</Type/Font/Subtype/Type0/BaseFont/A/Encoding/Identity-H/ToUnicode 4 0 R/DescendantFonts[]>>",
            4: b"<</Length %d>>\nstream\n%b\nendstream" % (len(whole), whole),
            5: b"<</Length %d>>\nstream\n%b\nendstream" % (len(content), content),
            6: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Resources<</Font<</F1 3 0 R>>>>/Contents 5 0 R>>",
            7: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
            8: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Resources<</Font%b>>/Contents 5 0 R>>" % plain,
        }
    )

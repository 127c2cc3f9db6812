"""The text of a PDF, taken out by `pypdf`, which is installed only where somebody wants PDF read (`comity[pdf]`).

Rules: nothing is rendered, run, decrypted or fetched, and no image, form, attachment or script is looked at. What a
file may cost is bounded by its bytes, its pages, what one stream unpacks to and what one page's operators are. Whatever
the library raises is a `Loss`, of a page where it is a page's. The library has no deadline and nor has this reader: a
stranger's PDF is read in a process that can be ended (`readers.APART`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from comity.formats.convert import Context, Loss, Made, Outcome, loss, whole
from comity.formats.text.read import Findings, headline
from comity.formats.text.scan import scan
from comity.limits import (
    PDF_BYTES_MAX,
    PDF_OPERATIONS_MAX,
    PDF_PAGE_OPERATIONS_MAX,
    PDF_PAGES_MAX,
    PDF_STREAM_BYTES_MAX,
    PDF_TEXT_CHARS_MAX,
)

_HEAD: Final = b"%PDF-"
_HEAD_BYTES: Final = 1_024  # PDF 1.7 appendix H.3: readers look for the header in these
_TITLE_CHARS_MAX: Final = 1_024
_BYTES_PER_OPERATION: Final = 4  # of a content stream, as they are charged: what is no operator takes time too
_FORM_OPERATIONS: Final = 2_000  # charged for a form or image that is called, whose own content is not seen here
_BROKEN_MAX: Final = 64  # pages that fail before the rest is given up
_NO_ROOM: Final = "the document takes more memory than its reader may have (READ_APART_MEMORY_MAX)"
_LIMITS: Final = {  # of `pypdf.Configuration`
    "maximum_declared_stream_length": PDF_BYTES_MAX,
    "zlib_maximum_output_length": PDF_STREAM_BYTES_MAX,
    "lzw_maximum_output_length": PDF_STREAM_BYTES_MAX,
    "run_length_maximum_output_length": PDF_STREAM_BYTES_MAX,
    "brotli_maximum_output_length": PDF_STREAM_BYTES_MAX,
    "array_based_stream_maximum_output_length": PDF_STREAM_BYTES_MAX,
    "stream_filters_maximum_length": 4,  # one is usual, two are ASCII around compression
    "stream_decoding_work_maximum_length": 4 * PDF_STREAM_BYTES_MAX,
    "stream_parsing_work_maximum_count": PDF_PAGE_OPERATIONS_MAX,
    "page_tree_maximum_entries": 2 * PDF_PAGES_MAX,
    "page_tree_maximum_depth": 32,  # levels; writers make three
    "xform_maximum_invocations_per_extraction": 64,  # forms that one page's text may call
    "jbig2dec_binary": None,  # no program is run
}


def read_pdf(chunks: Iterable[bytes], context: Context, *, title: str = "") -> Iterator[Made | Loss]:
    """Read a PDF and yield a report, and an object for each value in its text; places are pages.

    Without `pypdf` the whole input is one loss that says what to install. `title` names the report; without one the
    document's own title or the first line does.
    """
    data = whole(chunks, PDF_BYTES_MAX)
    if data is None:
        yield loss("file", Outcome.REFUSED, "too-large", f"longer than {PDF_BYTES_MAX} bytes (PDF_BYTES_MAX)")
        return
    if _HEAD not in data[:_HEAD_BYTES]:
        yield loss("file", Outcome.REFUSED, "not-a-pdf", "no PDF begins here")
        return
    try:
        import pypdf  # noqa: PLC0415  # an optional dependency
    except ImportError:
        yield loss("file", Outcome.REFUSED, "no-reader", "PDF is read by the package pypdf: install comity[pdf]")
        return
    document = _Document(pypdf, data)
    findings = Findings(context, title)
    failed = document.open()
    if failed:
        yield failed
        return
    findings.title = findings.title or headline(document.title)
    for number in range(1, document.pages + 1):
        found = document.page(number)
        if isinstance(found, Loss):
            yield found
            if found.rule != "broken":
                break
        else:
            yield from findings.all(scan(findings.named((found,))), where=f"page {number}")
    if document.left_out:
        reason = f"{document.left_out} pages behind the first {PDF_PAGES_MAX} were not read (PDF_PAGES_MAX)"
        yield loss("file", Outcome.REFUSED, "too-many", reason)
    yield from findings.reports()


class _SpentError(Exception):
    """The text of this document costs more operations than one may."""


class _Document:
    """One PDF in the library's hands."""

    def __init__(self, library: Any, data: bytes) -> None:
        self.title = ""
        self.pages = self.left_out = 0
        self._library = library
        self._data = _Stream(data)
        self._operations = PDF_OPERATIONS_MAX
        self._broken = 0
        self._chars = PDF_TEXT_CHARS_MAX

    def open(self) -> Loss | None:
        """Find the pages; return why there are none."""
        try:
            with self._library.apply_configuration(**_LIMITS):
                self._reader = self._library.PdfReader(self._data)
                if self._reader.is_encrypted:
                    return loss("file", Outcome.REFUSED, "encrypted", "the document is encrypted")
                count = len(self._reader.pages)
        except MemoryError:
            return loss("file", Outcome.REFUSED, "too-large", _NO_ROOM)
        except Exception as error:  # noqa: BLE001  # the library raises what it meets: its own errors and Python's
            return loss("file", Outcome.REFUSED, "broken", f"{type(error).__name__}: {error}")
        self.pages, self.left_out = min(count, PDF_PAGES_MAX), max(count - PDF_PAGES_MAX, 0)
        try:
            with self._library.apply_configuration(**_LIMITS):
                title = self._reader.metadata.title if self._reader.metadata else ""
                self.title = title[:_TITLE_CHARS_MAX] if isinstance(title, str) else ""
        except Exception:  # noqa: BLE001  # a title that cannot be read names nothing; the first line does
            self.title = ""
        return None

    def page(self, number: int) -> str | Loss:
        """Return the text of a page, from 1, or why there is none."""
        place = f"page {number}"
        try:
            with self._library.apply_configuration(**_LIMITS):
                page = self._reader.pages[number - 1]
                content = page.get_contents()
                self._charge(len(content.get_data()) // _BYTES_PER_OPERATION if content is not None else 0)
                text = page.extract_text(visitor_operand_before=self._spend)
        except _SpentError:
            reason = f"the document takes more than {PDF_OPERATIONS_MAX} operations (PDF_OPERATIONS_MAX)"
            return loss(place, Outcome.REFUSED, "too-large", reason)
        except MemoryError:
            return loss(place, Outcome.REFUSED, "too-large", _NO_ROOM)
        except Exception as error:  # noqa: BLE001  # as above
            self._broken += 1
            if self._broken > _BROKEN_MAX:
                reason = f"more than {_BROKEN_MAX} pages are broken; the rest was not read"
                return loss(place, Outcome.REFUSED, "too-many", reason)
            return loss(place, Outcome.REFUSED, "broken", f"{type(error).__name__}: {error}")
        self._chars -= len(text)
        if self._chars < 0:
            reason = f"the document has more than {PDF_TEXT_CHARS_MAX} characters of text (PDF_TEXT_CHARS_MAX)"
            return loss(place, Outcome.REFUSED, "too-large", reason)
        return str(text)

    def _spend(self, operator: object, *_: object) -> None:
        self._charge(_FORM_OPERATIONS if operator == b"Do" else 1)

    def _charge(self, count: int) -> None:
        self._operations -= count
        if self._operations < 0:
            raise _SpentError


class _Stream:
    """Bytes as the library wants them: something to read and seek in. `io` belongs to the edge."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def read(self, size: int | None = -1) -> bytes:
        """Return the next bytes, all that are left for a negative size."""
        end = len(self._data) if size is None or size < 0 else self._at + size
        found = self._data[self._at : end]
        self._at += len(found)
        return found

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place: from the start (0), from here (1) or from the end (2)."""
        place = offset + (0, self._at, len(self._data))[whence]
        if place < 0:
            raise ValueError("before the start")
        self._at = place
        return place

    def tell(self) -> int:
        """Return the place."""
        return self._at

    def readline(self, size: int = -1) -> bytes:
        """Return the rest of a line."""
        end = self._data.find(b"\n", self._at) + 1 or len(self._data)
        return self.read(end - self._at if size < 0 else min(size, end - self._at))

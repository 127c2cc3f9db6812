"""A message as a report: the values in what it says, under the label that it bears.

Rules: mail addresses in its header fields are persons' and servers', and no indicators. What is attached is not opened
here: each file is named as a loss, and stays in the original. A message within it is read as its own text is. A message
that is encrypted has nothing to read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from comity.errors import ComityError
from comity.formats.convert import Context, Loss, Made, Outcome, loss, whole
from comity.formats.mail import headers, markings, message, tickets
from comity.formats.mail.message import WITHIN, Message, Protection
from comity.formats.text.read import Findings, headline
from comity.formats.text.scan import scan
from comity.limits import MAIL_BYTES_MAX

_SEALED = (Protection.PGP_ENCRYPTED, Protection.SMIME_ENCRYPTED)


def read(chunks: Iterable[bytes], context: Context) -> Iterator[Made | Loss]:
    """Read one message and yield a report, and an object for each value in its text; a `Loss` for each file."""
    data = whole(chunks, MAIL_BYTES_MAX)
    if data is None:
        yield loss("mail", Outcome.REFUSED, "too-large", f"longer than MAIL_BYTES_MAX ({MAIL_BYTES_MAX} bytes)")
        return
    try:
        found = message.read(data)
    except ComityError as error:
        yield loss("mail", Outcome.REFUSED, "malformed", str(error))
        return
    yield from said(found, context)


def said(found: Message, context: Context) -> Iterator[Made | Loss]:
    """Yield what a message says, as `read` does."""
    if found.protection in _SEALED:
        yield loss("mail", Outcome.UNMAPPED, "encrypted", "the message is encrypted: nothing in it was read")
        return
    findings = Findings(context, headline(tickets.topic(found.subject)) or "Mail", tlp=markings.tlp(found))
    for fields in (found.fields, *found.forwarded):
        yield from findings.all(scan([headers.words(headers.first(fields, "subject")) + "\n"]), where="subject")
    read = dict(found.texts)
    for part in found.parts:
        if part.path in read and part.media not in WITHIN:
            yield from findings.all(scan([read[part.path]]), where=part.path)
        elif part.media not in WITHIN and not part.media.startswith("multipart/"):  # of a message within its parts
            reason = f"a file of {len(part.data)} bytes ({part.media}) is not opened: import it for itself"
            yield loss(f"{part.path} {part.name}".strip(), Outcome.UNMAPPED, "attached", reason)
    for defect in found.defects:
        yield loss("mail", Outcome.CHANGED, "defect", defect)
    yield from findings.reports()

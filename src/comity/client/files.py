"""Calls that bring a file in, or have one written: imports, attachments, exports, proofs.

Rules: a file is written beside its place and renamed, so that nobody reads half of one; an attachment that is written
plain is compared with the digest under which the node has it.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from comity.client import answers, neighbours, records
from comity.client.calls import Caller, content, decoded
from comity.client.wire import Reply
from comity.errors import Unverified

T = TypeVar("T")


class Files(Caller):
    """Files in and out."""

    def ingest(
        self, what: Path | bytes | Iterable[bytes], source: str, *, key: str = "", **more: str | bool
    ) -> answers.Ingested:
        """Bring a file, bytes or chunks of them in; `format`, `name`, `tlp`, `pap`, `note` and `dry` as in the API."""
        if isinstance(what, Path):
            more.setdefault("name", what.name)
        return self._send("/ingest", what, {"source": source, **more}, key, answers.Ingested)

    def ingest_reported(
        self, what: Path | bytes | Iterable[bytes], source: str, report: Path, **more: str | bool
    ) -> answers.Ingested:
        """Bring a file in as `ingest` does, and have the whole report written: every loss by itself.

        What is returned has the counts alone. The call is made once; with `dry=True` nothing is kept.
        """
        if isinstance(what, Path):
            more.setdefault("name", what.name)
        asked = {"source": source, **more}
        return self._fetch("POST", "/ingest/report", report, answers.Ingested, body=what, asked=asked)

    def attach(
        self,
        what: Path | bytes | Iterable[bytes],
        name: str = "",
        *,
        about: Sequence[str] = (),
        key: str = "",
        **more: str,
    ) -> records.Attached:
        """Take a sample or a document in; `media`, `note`, `source`, `accord`, `tlp` and `pap` as in the API."""
        named = name or (what.name if isinstance(what, Path) else "attachment")
        return self._send("/attachments", what, {"name": named, "about": about, **more}, key, records.Attached)

    def _send(
        self, route: str, what: Path | bytes | Iterable[bytes], asked: dict[str, Any], key: str, kind: type[T]
    ) -> T:
        sent, headers = content(what)
        headers |= {"Content-Type": "application/octet-stream", "Idempotency-Key": key or str(uuid.uuid4())}
        repeat = isinstance(what, Path | bytes)
        return decoded(self._call("POST", route, headers, sent, asked=asked, repeat=repeat), kind)

    def content(self, attachment: str, out: Path, *, plain: bool = False) -> records.Content:
        """Have an attachment written to a file, in a ZIP under the password that is returned, or `plain`.

        Raises `Unverified` where the bytes are not those of its SHA-256.
        """
        return self._fetch(
            "GET",
            "/attachments/{name}/content",
            out,
            records.Content,
            asked={"plain": plain},
            path={"name": attachment},
            check=_is_tagged if plain else None,
        )

    def export(self, out: Path, to: str, form: str = "stix", **more: Any) -> records.Exported:
        """Have a file written for somebody without a node, decided and recorded first; a folder of files as a ZIP.

        `choice`, `purpose`, `confidence`, `kinds`, … as in the API. The call is made once.
        """
        more.setdefault("choice", {})
        body = {"to": to, "form": form, **more}
        return self._fetch("POST", "/export", out, records.Exported, body=body)

    def proof(self, name: str, out: Path) -> neighbours.Proven:
        """Have a file written by which anybody checks one statement, or an object's, offline."""
        return self._fetch("GET", "/log/proof", out, neighbours.Proven, asked={"name": name})


def _is_tagged(path: Path, reply: Reply) -> None:
    """Compare a file with the SHA-256 that is its tag. Raises `Unverified`."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if reply.headers.get("etag", "") != f'"{digest}"':
        raise Unverified("the bytes that came are not those of the attachment", hint="ask again")

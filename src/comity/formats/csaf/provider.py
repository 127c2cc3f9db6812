"""The tree of a CSAF 2.0 provider: documents by label and year, their hashes and signatures, and every index of them.

Rules: paths are relative to one base address, and files of a label stand in a folder of that label, so that a web
server can keep what is not for everybody apart. What is written follows from what is given: the same documents give
the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from comity.canon import Instant
from comity.formats.csaf.write import Publisher, file_name, moment, published_by

_ENCODE: Final = msgspec.json.Encoder(order="sorted").encode
_SCHEMA: Final = "https://docs.oasis-open.org/csaf/csaf/v2.0/csaf_json_schema.json"
FILE_NAME_MAX: Final = 255 - len(".sha512")  # bytes of a document's own name: file systems take 255
Sign = Callable[[bytes], bytes]
"""Returns an armoured detached OpenPGP signature."""


class Made(NamedTuple):
    """One document of the tree."""

    document: dict[str, Any]
    label: str  # WHITE, GREEN, AMBER, RED
    released: Instant  # its current version
    begun: Instant  # its first
    original: bytes = b""  # the document as somebody else wrote it; empty: it is ours


class File(NamedTuple):
    """One file: its path under the base address, and its bytes."""

    path: str
    data: bytes


class Provider(NamedTuple):
    """Who provides, where, and how its signatures are checked."""

    publisher: Publisher
    base: str  # ends with /
    key: bytes  # armoured OpenPGP certificate
    fingerprint: str  # in hexadecimal
    at: Instant


def path_of(ident: str, label: str, begun: Instant) -> str:
    """Return where a document lies: by label and by the year of its first release (CSAF 2.0 §7.1.11)."""
    return f"{label.lower()}/{moment(begun)[:4]}/{file_name(ident)}"


def tree(provider: Provider, documents: Sequence[Made], sign: Sign) -> Iterator[File]:
    """Yield every file of the tree: documents with hashes and signatures, then the indexes, the metadata last."""
    yield File("openpgp/key.asc", provider.key)
    paths = [path_of(made.document["document"]["tracking"]["id"], made.label, made.begun) for made in documents]
    hashes: list[str] = []
    for made, path in zip(documents, paths, strict=True):
        data = made.original or msgspec.json.format(_ENCODE(made.document), indent=2) + b"\n"
        name = path.rpartition("/")[2]
        digest = hashlib.sha512(data).hexdigest()
        hashes.append(digest)
        yield File(path, data)
        yield File(f"{path}.sha256", f"{hashlib.sha256(data).hexdigest()}  {name}\n".encode())  # §7.1.18
        yield File(f"{path}.sha512", f"{digest}  {name}\n".encode())
        yield File(f"{path}.asc", sign(data))  # §7.1.19
    for label in _labels(documents):
        some = [(made, path) for made, path in zip(documents, paths, strict=True) if made.label == label]
        yield from _indexes(provider, label, some)
    yield File("provider-metadata.json", _metadata(provider, documents))


def _labels(documents: Sequence[Made]) -> list[str]:
    """Return the labels that have feeds: WHITE always, so that there is one to follow before the first document."""
    return sorted({"WHITE", *(made.label for made in documents)})


def _indexes(provider: Provider, label: str, some: Sequence[tuple[Made, str]]) -> Iterator[File]:
    folder = label.lower()
    inside = [(made, path.removeprefix(f"{folder}/")) for made, path in some]
    yield File(f"{folder}/index.txt", "".join(f"{path}\n" for _, path in inside).encode())  # §7.1.12
    newest = sorted(inside, key=lambda one: (-one[0].released, one[1]))
    lines = "".join(f'"{path}","{moment(made.released)}"\n' for made, path in newest)
    yield File(f"{folder}/changes.csv", lines.encode())  # §7.1.13
    yield File(f"{folder}/csaf-feed-tlp-{folder}.json", _rolie(provider, label, some))


def _rolie(provider: Provider, label: str, some: Sequence[tuple[Made, str]]) -> bytes:
    """Return the ROLIE feed of a label (CSAF 2.0 §7.1.15, RFC 8322)."""
    folder = label.lower()
    own = f"{provider.base}{folder}/csaf-feed-tlp-{folder}.json"
    entries = [_entry(provider, made, path) for made, path in some]
    updated = max((made.released for made, _ in some), default=provider.at)
    return _ENCODE(
        {
            "feed": {
                "category": [{"scheme": "urn:ietf:params:rolie:category:information-type", "term": "csaf"}],
                "entry": entries,
                "id": f"csaf-feed-tlp-{folder}",
                "link": [{"href": own, "rel": "self"}],
                "title": f"CSAF feed (TLP:{label})",
                "updated": moment(updated),
            }
        }
    )


def _entry(provider: Provider, made: Made, path: str) -> dict[str, Any]:
    about = made.document["document"]
    url = provider.base + path
    return {
        "content": {"src": url, "type": "application/json"},
        "format": {"schema": _SCHEMA, "version": "2.0"},
        "id": about["tracking"]["id"],
        "link": [
            {"href": url, "rel": "self"},
            {"href": f"{url}.sha256", "rel": "hash"},
            {"href": f"{url}.sha512", "rel": "hash"},
            {"href": f"{url}.asc", "rel": "signature"},
        ],
        "published": moment(made.begun),
        "title": about["title"],
        "updated": moment(made.released),
    } | _summary(about.get("notes"))


def _summary(notes: object) -> dict[str, Any]:
    """Return an entry's summary: the first note that is one."""
    held = [note for note in notes if isinstance(note, dict)] if isinstance(notes, list) else []
    texts = [note.get("text") for note in held if note.get("category") == "summary"]
    return {"summary": {"content": texts[0][:1_000]}} if texts and isinstance(texts[0], str) and texts[0] else {}


def _metadata(provider: Provider, documents: Sequence[Made]) -> bytes:
    """Return provider-metadata.json (CSAF 2.0 §7.1.7): the role is a trusted provider's."""
    feeds = [
        {
            "summary": f"Documents of TLP:{label}",
            "tlp_label": label,
            "url": f"{provider.base}{label.lower()}/csaf-feed-tlp-{label.lower()}.json",
        }
        for label in _labels(documents)
    ]
    folders = [{"directory_url": f"{provider.base}{label.lower()}/"} for label in _labels(documents)]
    return (
        msgspec.json.format(
            _ENCODE(
                {
                    "canonical_url": f"{provider.base}provider-metadata.json",
                    "distributions": [{"rolie": {"feeds": feeds}}, *folders],
                    "last_updated": moment(max((made.released for made in documents), default=provider.at)),
                    "list_on_CSAF_aggregators": False,
                    "metadata_version": "2.0",
                    "mirror_on_CSAF_aggregators": False,
                    "public_openpgp_keys": [
                        {"fingerprint": provider.fingerprint.upper(), "url": f"{provider.base}openpgp/key.asc"}
                    ],
                    "publisher": published_by(provider.publisher),
                    "role": "csaf_trusted_provider",
                }
            ),
            indent=2,
        )
        + b"\n"
    )

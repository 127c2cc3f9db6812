"""From the address of a TAXII 2.1 server to the objects of one collection: discovery, API roots, collections.

Rules: the address may be a discovery, an API root or a collection (TAXII 2.1 §4.1, §4.2, §5.2). What a server names
elsewhere is not followed: the login would go with it. A server of another version is named as such.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple, TypeVar
from urllib.parse import quote, urljoin

import msgspec

from comity.errors import Malformed, Misuse, Refused
from comity.formats.stix.report import bounded
from comity.http import url as urls
from comity.http.exchange import Incoming
from comity.transports.caller import Caller, ok, same_server

MEDIA: Final = "application/taxii+json;version=2.1"  # TAXII 2.1 §1.6.8
MEDIA_20: Final = "application/vnd.oasis.taxii+json; version=2.0"
ROOTS_MAX: Final = 16  # API roots of one server that are looked through
COLLECTIONS_SHOWN: Final = 20
_COLLECTION: Final = re.compile(r"(.*/collections/[^/]+)/?(?:objects/?)?")
_NOT_ACCEPTABLE: Final = frozenset({406, 415})
_HINT_20: Final = "ask its operator for the address of a TAXII 2.1 API root"


class Asked(NamedTuple):
    """What of a server is wanted: a collection's id, alias or title, and what its objects are to match (§3.4)."""

    collection: str = ""
    match: tuple[tuple[str, str], ...] = ()

    @property
    def sought(self) -> tuple[tuple[str, str], ...]:
        """Return the matches, with every version of an object where none is said: else only the newest is sent."""
        return self.match if "version" in dict(self.match) else (*self.match, ("version", "all"))


class _Resource(msgspec.Struct):
    """A discovery or an API root (§4.1, §4.2)."""

    api_roots: list[str] | None = None
    versions: list[str] | None = None


class _Collection(msgspec.Struct):
    """A collection (§5.2)."""

    id: str
    can_read: bool
    title: str = ""
    alias: str = ""


class _Collections(msgspec.Struct):
    """The collections of an API root (§5.1)."""

    collections: list[_Collection] = []


_T = TypeVar("_T")


def find(caller: Caller, asked: Asked) -> str:
    """Return the URL of the objects that are asked for.

    Raises `Misuse` where the collection has to be named, `Refused` for a server of another version or one that
    sends us elsewhere, `Malformed`, and what `Caller.get` does.
    """
    where = urls.parse(caller.address)
    direct = _COLLECTION.fullmatch(where.path)
    if direct:
        return f"{where.scheme}://{where.authority}{direct[1]}/objects/"
    address = f"{where.scheme}://{where.authority}{where.path.rstrip('/')}/"
    found = _get(caller, address, _Resource)
    if found.versions is not None:
        roots = [address]
    elif found.api_roots:
        roots = [same_server(caller, urljoin(address, root)) for root in found.api_roots[:ROOTS_MAX]]
    else:
        raise Malformed(f"{where.authority} names no API root at {where.path}", hint="is the address right?")
    known = [(root, one) for root in roots for one in _collections(caller, root)]
    return _chosen(asked, known, where.authority)


def _collections(caller: Caller, root: str) -> list[_Collection]:
    return _get(caller, urljoin(root if root.endswith("/") else f"{root}/", "collections/"), _Collections).collections


def _chosen(asked: Asked, known: list[tuple[str, _Collection]], server: str) -> str:
    wanted = asked.collection
    fitting = [(root, one) for root, one in known if wanted in (one.id, one.alias, one.title)] if wanted else known
    readable = [(root, one) for root, one in fitting if one.can_read]
    if len(readable) != 1:
        listed = ", ".join(f"{one.id} ({one.title})" for _, one in known[:COLLECTIONS_SHOWN] if one.can_read)
        count = "no readable collection" if not readable else f"{len(readable)} collections"
        fits = f" that fits {wanted!r}" if wanted else ""
        raise Misuse(
            bounded(f"{server} has {count}{fits}"), hint=f"--collection ID: {bounded(listed)}" if listed else ""
        )
    root, one = readable[0]
    return f"{root.rstrip('/')}/collections/{quote(one.id, safe='')}/objects/"


def _get(caller: Caller, url: str, what: type[_T]) -> _T:
    answer, body = caller.read(url, {"Accept": MEDIA})
    refuse_media(caller, answer, url)
    try:
        return msgspec.json.decode(body, type=what)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"{url} is no resource of TAXII 2.1: {error}") from error


def refuse_media(caller: Caller, answer: Incoming, url: str) -> None:
    """Refuse an answer that is none of TAXII 2.1, naming what it is. Raises `Refused` or `Malformed`."""
    where = urls.parse(url).authority
    if answer.status in _NOT_ACCEPTABLE:
        with caller.get(url, {"Accept": MEDIA_20}) as other:
            answer = other
        if answer.status != 200:
            raise Refused(f"{where} does not speak TAXII 2.1", hint=_HINT_20)
    ok(answer, url)
    kind, _, parameters = answer.headers.get("content-type", "").lower().partition(";")
    version = dict(part.strip().partition("=")[::2] for part in parameters.split(";")).get("version", "2.1")
    if kind.strip().startswith("application/vnd.oasis.") or version.strip('"') == "2.0":
        raise Refused(f"{where} speaks TAXII 2.0, which is not read", hint=_HINT_20)
    if kind.strip() != "application/taxii+json" or version.strip('"') != "2.1":
        raise Malformed(
            bounded(f"{url} answers with {kind.strip() or 'no media type'}, which is not TAXII 2.1"),
            hint="is the address a TAXII 2.1 discovery, API root or collection?",
        )

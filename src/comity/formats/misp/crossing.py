"""What of an event may leave a team's MISP, and how a partner's event enters it.

Rules: what leaves is cut out of a list of what is known to be fit: what its team keeps to itself (distribution 0, a
sharing group that no accord stands for, a level that nobody knows), local tags, tags of Comity's own, proposals,
sightings and files stay. What enters has UUIDs that follow from its author, so that nobody's UUID is in anybody's way;
its distribution is no wider than was allowed; tags that would ask or lie are left out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid5

import msgspec

from comity.errors import Malformed
from comity.formats.misp import fields

Tree = dict[str, Any]

NAMESPACE: Final = UUID("0d3b7f8e-5a3f-5d0c-9d0e-2b6a2d4c71f9")  # of what Comity writes into a MISP
FROM: Final = "comity:from"  # machine tag: whose it is
UNDER: Final = "comity:under"  # machine tag: the accord it came under
RETRACTED: Final = 'comity:retracted="true"'
OWN: Final = "comity:"  # every tag that begins so is between a MISP and its node
TITLE_CHARS_MAX: Final = 500
COMMENT_CHARS_MAX: Final = 1_000  # of a partner's comment that goes on
PARTS: Final = ("Attribute", "Object", "EventReport")

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_EVENT: Final = ("uuid", "info", "date", "timestamp", "publish_timestamp", "published", "analysis", "threat_level_id")
_WORDS: Final = ("Note", "Opinion", "Relationship")
_NEVER: Final = frozenset({"data", "Sighting", "ShadowAttribute", "SharingGroup", "sharing_group_id"})
_INNER: Final = (*PARTS, "ObjectReference", *_WORDS)
_LEAVES: Final = frozenset({1, 2, 3})
_INHERITS: Final = 5
_GROUP: Final = 4
_PAPS: Final = ("CLEAR", "GREEN", "AMBER", "RED")  # the widest first
_DECODE: Final = msgspec.json.Decoder().decode
_ENCODE: Final = msgspec.json.Encoder(order="deterministic").encode


class Leaving(NamedTuple):
    """An event of a team's own MISP, cut down to what may leave it."""

    uuid: str
    title: str
    timestamp: int  # seconds, by MISP's clock
    published: bool
    tags: tuple[str, ...]  # of the event, local ones and Comity's own too
    group: str  # UUID of the sharing group that the event goes to; empty for none
    stays: str  # why nothing of it leaves; empty where something may
    kept: int  # parts that stay behind
    pap: str  # the strictest `PAP:` tag of what leaves; empty where there is none
    digest: str  # of what leaves, without when the event was last touched
    data: bytes  # JSON, for `read`

    def author(self) -> str:
        """Return whose it is by Comity's own tag; empty for an event that did not come by Comity."""
        head = f'{FROM}="'
        return next((tag[len(head) : -1] for tag in self.tags if tag.lower().startswith(head)), "")


def leaving(data: bytes, groups: Collection[str]) -> Leaving:
    """Return what of an event may leave; `groups` are the sharing groups (UUIDs) that an accord stands for.

    Raises `Malformed` for what is no event.
    """
    try:
        tree = _DECODE(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"this is no event: {error}") from error
    tree = tree.get("Event", tree) if isinstance(tree, dict) else tree
    uuid = name_of(tree.get("uuid")) if isinstance(tree, dict) else ""
    if not uuid:
        raise Malformed("this is no event: it has no UUID")
    level, group = _level(tree)
    stays = ""
    if level == 0:
        stays = "its distribution is «your organisation only»"
    elif level == _GROUP and group not in groups:
        stays = f"its sharing group {group or 'without a UUID'} is one that no accord stands for"
    elif level not in _LEAVES and level != _GROUP:
        stays = f"its distribution {tree.get('distribution')!r} is none that is known"
    cut = _Cut(groups)
    made = {name: tree[name] for name in _EVENT if name in tree}
    made["distribution"] = "0" if level == _GROUP else str(level)
    if isinstance(tree.get("Orgc"), dict):
        made["Orgc"] = {name: tree["Orgc"][name] for name in ("uuid", "name") if name in tree["Orgc"]}
    if fields.text(tree, "extends_uuid"):
        made["extends_uuid"] = tree["extends_uuid"]
    made["Tag"] = cut.tags(tree)
    made["Galaxy"] = cut.galaxies(tree)
    for name in (*PARTS, *_WORDS):
        made[name] = cut.parts(tree.get(name))
    pap = max(cut.paps, key=_PAPS.index, default="")
    timeless = {name: value for name, value in made.items() if "timestamp" not in name and name != "published"}
    return Leaving(
        uuid=uuid,
        title=fields.text(tree, "info").strip()[:TITLE_CHARS_MAX],
        timestamp=(fields.seconds(tree, "timestamp") or 0) // fields.MICROS,
        published=fields.truth(tree, "published"),
        tags=tuple(_names(tree)),
        group=group if level == _GROUP else "",
        stays=stays,
        kept=cut.kept,
        pap=pap,
        digest=hashlib.sha256(_ENCODE({**timeless, "pap": pap})).hexdigest(),
        data=_ENCODE({"Event": made}),
    )


def name_of(value: object) -> str:
    """Return a UUID in lower case; empty for what is none."""
    low = value.lower() if isinstance(value, str) else ""
    return low if _UUID.fullmatch(low) else ""


class _Cut:
    """Takes out what stays, and counts it."""

    def __init__(self, groups: Collection[str]) -> None:
        self._groups = groups
        self.kept = 0
        self.paps: set[str] = set()

    def parts(self, value: object) -> list[Tree]:
        """Return the parts of a list that may leave, each without what may not."""
        found: list[Tree] = []
        for part in fields.trees(value):
            level, group = _level(part, inherits=True)
            fit = level in _LEAVES or level == _INHERITS or (level == _GROUP and group in self._groups)
            if fields.truth(part, "deleted"):
                continue
            if not fit:
                self.kept += 1
                continue
            made = {name: value for name, value in part.items() if name not in _NEVER}
            if level == _GROUP:
                made["distribution"] = "0"
            for name in _INNER:
                if name in made:
                    made[name] = self.parts(made[name])
            if "Tag" in made:
                made["Tag"] = self.tags(part)
            if "Galaxy" in made:
                made["Galaxy"] = self.galaxies(part)
            found.append(made)
        return found

    def tags(self, tree: Tree) -> list[Tree]:
        """Return the tags that are meant for others. A `PAP:` tag binds whoever it is meant for."""
        said = {name[4:].upper() for name in _names(tree) if name.lower().startswith("pap:")}
        self.paps |= {{"WHITE": "CLEAR"}.get(pap, pap if pap in _PAPS else _PAPS[-1]) for pap in said}
        return [
            {"name": name}
            for tag in fields.trees(tree.get("Tag"))
            if (name := fields.text(tag, "name"))
            and not fields.truth(tag, "local")
            and tag.get("exportable") not in (False, 0, "0")
            and not name.lower().startswith(OWN)
        ]

    def galaxies(self, tree: Tree) -> list[Tree]:
        """Return the galaxies with the clusters that are meant for others."""
        found: list[Tree] = []
        for galaxy in fields.trees(tree.get("Galaxy")):
            clusters = []
            for one in fields.trees(galaxy.get("GalaxyCluster")):
                level, _ = _level(one, inherits=True)
                if (level in _LEAVES or level == _INHERITS) and not fields.truth(one, "local"):
                    clusters.append(one)
                else:
                    self.kept += 1
            if clusters:
                found.append({**galaxy, "GalaxyCluster": clusters})
        return found


def _level(tree: Tree, *, inherits: bool = False) -> tuple[int, str]:
    """Return the distribution, -1 for one that is not known, and the UUID of the sharing group."""
    if tree.get("distribution") in (None, ""):
        return (_INHERITS if inherits else -1), ""
    found = fields.number(tree, "distribution")
    group = tree.get("SharingGroup")
    uuid = name_of(group.get("uuid")) if isinstance(group, dict) else ""
    return (-1 if found is None else found), uuid


def _names(tree: Tree) -> Iterable[str]:
    return (fields.text(tag, "name") for tag in fields.trees(tree.get("Tag")))


# -- entering ------------------------------------------------------------------------


class Provenance(NamedTuple):
    """Where an event that is written comes from, and what it may be in that MISP."""

    uuid: str  # of the event
    party: str
    accord: str
    statements: Mapping[str, str]  # UUID of an object: the statement that it stands in
    quiet: Collection[str]  # UUIDs of objects that PAP keeps from sensors
    pap: str  # the strictest level among all of it
    distribution: int  # at most this wide
    asking: Collection[str]  # tags that would ask for a decision, in lower case
    creator: bool  # the MISP lets us say who the creator is


class Entering(NamedTuple):
    """An event as it is written: its JSON, and its parts as `<kind>/<uuid>`."""

    data: bytes
    parts: tuple[str, ...]
    digest: str


class Parts(NamedTuple):
    """What a MISP says that an event has."""

    tags: tuple[str, ...]
    parts: frozenset[str]  # `<kind>/<uuid>`


def parts_of(data: bytes) -> Parts:
    """Return what a MISP says that an event has. Raises `Malformed` for what is no event."""
    try:
        tree = _DECODE(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"this is no event: {error}") from error
    tree = tree.get("Event") if isinstance(tree, dict) else None
    if not isinstance(tree, dict):
        raise Malformed("this is no event")
    found = {f"{kind}/{name_of(part.get('uuid'))}" for kind in PARTS for part in fields.trees(tree.get(kind))}
    return Parts(tuple(_names(tree)), frozenset(found))


def event_uuid(party: str, *what: str) -> str:
    """Return the UUID of the event that stands for something of a party, the same at every node."""
    return str(uuid5(NAMESPACE, chr(0).join((party, *what))))


def entering(written: bytes, about: Provenance) -> Entering:
    """Return an event that `write` made as it is written into a MISP."""
    tree: Tree = _DECODE(written)["Event"]
    entry = _Entry(about)
    event: Tree = {name: tree[name] for name in ("info", "date", "threat_level_id", "analysis") if name in tree}
    event |= {"uuid": about.uuid, "published": False}
    event["distribution"] = str(min(int(tree["distribution"]), about.distribution))
    if about.creator:
        event["Orgc"] = {"uuid": str(uuid5(NAMESPACE, about.party)), "name": about.party}
        event["locked"] = True
    event["Tag"] = [
        *entry.tags(tree),
        {"name": f'{FROM}="{about.party}"'},
        {"name": f'{UNDER}="{about.accord}"'},
        {"name": f"PAP:{about.pap}"},
    ]
    for kind in PARTS:
        event[kind] = [entry.part(kind, each) for each in fields.trees(tree.get(kind))]
    data = _ENCODE({"Event": event})
    return Entering(data, tuple(entry.parts), hashlib.sha256(data).hexdigest())


class _Entry:
    """Rewrites the parts of one event."""

    def __init__(self, about: Provenance) -> None:
        self._about = about
        self.parts: list[str] = []

    def tags(self, tree: Tree) -> list[Tree]:
        """Return the partner's tags without those that would ask for something here or speak in Comity's name."""
        return [
            {"name": name}
            for name in dict.fromkeys(_names(tree))
            if name and not name.lower().startswith((OWN, "pap:")) and name.lower() not in self._about.asking
        ]

    def part(self, kind: str, tree: Tree) -> Tree:
        """Return a part under an UUID of its author's, with the statement that it comes from."""
        about = self._about
        before = fields.text(tree, "uuid")
        made = {name: value for name, value in tree.items() if name not in {"timestamp", "Galaxy", "deleted"}}
        made["uuid"] = event_uuid(about.party, about.uuid, before)
        self.parts.append(f"{kind}/{made['uuid']}")
        where = about.statements.get(before, about.party)
        if kind == "Attribute":
            said = fields.text(tree, "comment")[:COMMENT_CHARS_MAX]
            made["comment"] = f"{said} [{where}]".lstrip()
            # What cannot be told apart is kept from sensors as soon as anything of the event is.
            heard = before not in about.quiet and (before in about.statements or not about.quiet)
            made["to_ids"] = fields.truth(tree, "to_ids") and heard
        if "Tag" in made:
            made["Tag"] = self.tags(tree)
        if "Sighting" in made:
            made["Sighting"] = [self._sighting(made["uuid"], each) for each in fields.trees(made["Sighting"])]
        for name in ("Attribute", "ObjectReference"):
            if name in made:
                made[name] = [self._inner(name, each) for each in fields.trees(made[name])]
        return made

    def _inner(self, name: str, tree: Tree) -> Tree:
        if name == "Attribute":
            made = self.part("Attribute", tree)
            self.parts.pop()  # it goes with its object
            return made
        about = self._about
        named = ("uuid", "object_uuid", "referenced_uuid")
        mapped = {key: event_uuid(about.party, about.uuid, fields.text(tree, key)) for key in named if key in tree}
        return {**tree, **mapped}

    def _sighting(self, of: str, tree: Tree) -> Tree:
        kind, when = fields.text(tree, "type"), fields.text(tree, "date_sighting")
        # A UUID of its own, so that a MISP that is told of it twice has it once.
        return {"uuid": event_uuid(of, kind, when), "type": kind, "date_sighting": when, "source": self._about.party}

"""What this server says of itself, of who asks, and of tags, organisations and types, as MISP clients ask for it.

Rules: a role tells what the reader may do here and nothing else. What MISP has and this has not (sharing groups,
taxonomies, galaxies of its own) is an empty list: clients ask for it before they do anything.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import uuid5

from comity.errors import NotFound
from comity.formats.convert import NAMESPACE
from comity.formats.misp import rest
from comity.formats.misp.categories import ALLOWED, category
from comity.formats.misp.types import ROWS, Fate
from comity.surfaces.misp.admission import Reader
from comity.surfaces.misp.catalogue import Catalogue, Org, number, party
from comity.surfaces.misp.composing import organisation, tag
from comity.surfaces.misp.searching import tags_of

Tree = dict[str, Any]

EMPTY: Final = frozenset(  # what MISP has and this has not
    (
        *("sharinggroups", "taxonomies", "galaxies", "warninglists", "noticelists", "objecttemplates", "feeds"),
        *("servers", "communities", "shadowattributes", "eventblocklists", "orgblocklists", "decayingmodel"),
        *("correlationexclusions", "usersettings", "eventdelegations"),
    )
)
PULLER: Final = "Correspondent"


def version(reader: Reader) -> Tree:
    """Return what a MISP asks before it pulls or pushes."""
    return {
        "version": rest.VERSION,
        "pymisp_recommended_version": rest.VERSION,
        "perm_sync": True,
        "perm_sighting": reader.may_send,
        "perm_galaxy_editor": False,
        "perm_analyst_data": False,
        "uuid": str(uuid5(NAMESPACE, f"misp server {reader.who.office}")),
        "request_encoding": [],
        "filter_sightings": True,
        "comity": reader.who.office,
    }


def org(reader: Reader) -> Org:
    """Return the organisation that a reader is here."""
    if reader.own:
        return party(reader.who.office.partition("/")[0])
    own = next(iter(reader.who.identities), "")
    uuid = own[-36:] or str(uuid5(NAMESPACE, reader.who.audience))
    return Org(uuid, reader.who.title or reader.who.name)


def role(reader: Reader) -> Tree:
    """Return what a reader may do here, as a MISP role."""
    may = reader.may_send
    names = ("perm_add", "perm_modify", "perm_publish", "perm_sighting")
    others = ("perm_site_admin", "perm_admin", "perm_audit", "perm_tagger", "perm_tag_editor", "perm_template")
    more = ("perm_sharing_group", "perm_delegate", "perm_galaxy_editor", "perm_decaying", "perm_regexp_access")
    return {
        "id": "1",
        "name": PULLER,
        "default_role": True,
        "perm_auth": True,
        "perm_sync": True,
        "perm_modify_org": False,
        "perm_publish_zmq": False,
        "perm_analyst_data": False,
        **dict.fromkeys(names, may),
        **dict.fromkeys((*others, *more), False),
    }


def user(reader: Reader) -> Tree:
    """Return who asks, as a MISP user with its role; no person's address is in it."""
    mine = organisation(*org(reader))
    name = "program" if reader.own else reader.who.name
    host = reader.who.office.partition("/")[0]
    return {
        "User": {
            "id": str(number(str(uuid5(NAMESPACE, f"user {reader.who.audience}")))),
            "org_id": mine["id"],
            "email": f"{name.strip('~')}@{host}",
            "role_id": "1",
            "autoalert": False,
            "contactalert": False,
            "disabled": False,
            "server_id": "0",
            "termsaccepted": True,
            "change_pw": False,
            "invited_by": "0",
        },
        "Organisation": mine,
        "Role": role(reader),
        "UserSetting": [],
    }


def tags(catalogue: Catalogue, wanted: str = "") -> list[Tree]:
    """Return the tags of the events of a reader that have a text in them, each once."""
    found = dict.fromkeys(name for event in catalogue.behind(-1) for name in tags_of(event))
    text = wanted.strip("%").lower()
    return [
        tag(name) | {"hide_tag": False, "user_id": "0", "org_id": "0", "is_custom_galaxy": False, "inherited": 0}
        for name in sorted(found)
        if text in name.lower()
    ]


def organisations(catalogue: Catalogue, reader: Reader) -> list[Tree]:
    """Return the organisations that events are of, and the reader's own."""
    known = dict.fromkeys([*catalogue.orgs(), org(reader)])
    return [{"Organisation": organisation(*one) | {"local": True, "nationality": "", "sector": ""}} for one in known]


def one_organisation(catalogue: Catalogue, reader: Reader, name: str) -> Tree:
    """Return an organisation by UUID, number or name. Raises `NotFound`."""
    for one in organisations(catalogue, reader):
        has = one["Organisation"]
        if name.lower() in (has["uuid"], has["id"], has["name"].lower()):
            return one
    raise NotFound("Invalid organisation")


def types() -> Tree:
    """Return the types and categories of attributes that may come in and go out."""
    known = [name for name, one in ROWS.items() if one.fate is not Fate.SEALED]
    defaults = {
        name: {"default_category": category(name, ""), "to_ids": int(ROWS[name].fate in {Fate.VALUE, Fate.RULE})}
        for name in known
    }
    found = {"sane_defaults": defaults, "types": known, "categories": list(ALLOWED)}
    return {"result": {**found, "category_type_mappings": {name: sorted(some) for name, some in ALLOWED.items()}}}

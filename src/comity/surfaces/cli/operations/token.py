"""Making, listing and revoking the tokens of this party's own programs."""

from __future__ import annotations

from typing import Final

from comity.canon import Instant
from comity.errors import Misuse
from comity.node import tokens
from comity.node.tokens import Token
from comity.surfaces.cli.desk import Desk, Operation, actor_of
from comity.surfaces.cli.operations.choosing import one_of
from comity.surfaces.cli.verbs import Nothing
from comity.surfaces.cli.verbs import token as verbs
from comity.vocab import Purpose

READ: Final = "read"
WRITE: Final = "write"


def create(desk: Desk, ask: verbs.Create) -> verbs.Created:
    """Make a token for the asking office."""
    if ask.may not in {READ, WRITE}:
        raise Misuse(f"a token may read or write, not {ask.may!r}")
    purpose = one_of(Purpose, ask.purpose, what="a purpose")
    node = desk.services.node
    with node.writing() as unit:
        actor = actor_of(desk, unit, ask)
        made, text = tokens.create(node, unit, actor, ask.name, purpose=purpose, write=ask.may == WRITE, days=ask.days)
    return verbs.Created(_shown(made, node.now()), text)


def list_(desk: Desk, ask: Nothing) -> verbs.TokensShown:
    """Return the tokens of the asking office."""
    node = desk.services.node
    with node.store.read() as unit:
        found = tokens.tokens(unit, actor_of(desk, unit, ask).office_id)
    return verbs.TokensShown(tuple(_shown(one, node.now()) for one in found))


def revoke(desk: Desk, ask: verbs.Revoke) -> verbs.TokenShown:
    """End a token of the asking office."""
    node = desk.services.node
    with node.writing() as unit:
        ended = tokens.revoke(node, unit, actor_of(desk, unit, ask), ask.name)
    return _shown(ended, node.now())


def _shown(one: Token, now: Instant) -> verbs.TokenShown:
    return verbs.TokenShown(
        id=one.id,
        name=one.name,
        office=one.office,
        purpose=one.purpose.value,
        may=WRITE if one.write else READ,
        created=one.created,
        expires=one.expires,
        used=one.used,
        revoked=one.revoked,
        holds=one.holds(now),
        by=one.by,
    )


OPERATIONS: Final = (
    Operation(verbs.CREATE, create),
    Operation(verbs.LIST, list_),
    Operation(verbs.REVOKE, revoke),
)

"""Fetching an account: what is new in its box is kept, marked as seen, and taken, letter by letter.

Rules: a letter is kept, with how far the box was read, before it is marked. A box whose UIDVALIDITY is another one is
read from its beginning, and what came already is known by its bytes. A fetch that fails is an outcome too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import msgspec

from comity.canon import OfficeId
from comity.errors import ComityError
from comity.limits import (
    LETTERS_LEFT_MAX,
    MAIL_BYTES_MAX,
    MAIL_FETCH_BYTES,
    MAIL_FETCH_LETTERS,
    MAIL_FETCH_LETTERS_MAX,
)
from comity.node import correspondents
from comity.node.actor import Actor
from comity.node.mail import accounts, letters, outbox
from comity.node.mail.accounts import FETCH, Account, Cursor, Health
from comity.node.mail.judging import bears_known_address
from comity.node.mail.letters import Letter
from comity.node.mail.ports import Box, Fetched, Listed
from comity.node.mail.taking import USER, Taking
from comity.node.node import Node
from comity.party import OfficeRef

DAY: Final = 86_400  # seconds between two looks at what is old


@dataclass(slots=True)
class Fetching:
    """What one fetch brought."""

    came: int = 0
    known: int = 0  # the same bytes came before
    left: int = 0  # stay in the box for want of room
    states: dict[str, int] = field(default_factory=dict)  # of the letters that came
    sorts: dict[str, int] = field(default_factory=dict)
    more: bool = False
    health: Health = field(default_factory=Health)
    error: ComityError | None = None

    def count(self, letter: Letter) -> None:
        """Count what became of a letter."""
        self.states[letter.state] = self.states.get(letter.state, 0) + 1
        if letter.sort:
            self.sorts[letter.sort] = self.sorts.get(letter.sort, 0) + 1


def fetch(
    node: Node,
    taking: Taking,
    account: Account,
    open_box: Callable[[], Box],
    *,
    go_on: Callable[[], bool] = lambda: True,
    most: int = MAIL_FETCH_LETTERS_MAX,
) -> Fetching:
    """Fetch what is new; raises nothing that is the server's, the network's or a letter's fault."""
    began = node.now()
    done = Fetching()
    try:
        _take_kept(node, taking, account, done)
        if account.imap is not None:
            box = open_box()
            try:
                _fetch(node, taking, account, box, done, go_on, most)
            finally:
                box.close()
    except ComityError as error:
        done.error = error
    told = ("", "")
    if done.error is not None:
        hint = f" → {done.error.hint}" if done.error.hint else ""
        told = (f"{done.error}{hint}", done.error.whose)
    with node.store.write() as unit:
        before = accounts.health(unit, account, FETCH)
        done.health = accounts.put_health(unit, account, FETCH, began, node.now(), told)
        if before.attempt // DAY != began // DAY:
            letters.forget_old(node, unit, account.office)
            outbox.forget_old(node, unit, account.office)
    return done


def _take_kept(node: Node, taking: Taking, account: Account, done: Fetching) -> None:
    """Take letters that were kept, and not taken before something broke off."""
    with node.store.read() as unit:
        kept = [one for one in letters.letters(unit, account.office) if one.state == letters.NEW]
    for letter in kept:
        if letter.account == account.name:
            done.count(taking.take(account, letter))


def _fetch(
    node: Node,
    taking: Taking,
    account: Account,
    box: Box,
    done: Fetching,
    go_on: Callable[[], bool],
    most: int,
) -> None:
    validity = box.select()
    with node.store.read() as unit:
        at = accounts.cursor(unit, account)
    if at.validity != validity:
        at = Cursor(validity)
    listed = list(box.listed(at.uid))
    again = [Listed(uid, 0) for uid in at.left]
    done.more = len(listed) > most
    for group in [*_groups(again), *_groups(listed[:most])]:
        if not go_on():
            done.more = True
            return
        came = box.fetch(group)
        at, kept = _keep(node, account, group, came, at, done)
        box.mark(kept)
        with node.store.read() as unit:
            new = [one for one in letters.letters(unit, account.office) if one.state == letters.NEW]
        for letter in new:
            if letter.account == account.name:
                done.count(taking.take(account, letter))


def _groups(listed: Sequence[Listed]) -> Iterator[list[Listed]]:
    """Yield what is asked for at once."""
    group: list[Listed] = []
    size = 0
    for one in listed:
        length = min(one.size or MAIL_BYTES_MAX, MAIL_BYTES_MAX)
        if group and (size + length > MAIL_FETCH_BYTES or len(group) == MAIL_FETCH_LETTERS):
            yield group
            group, size = [], 0
        group.append(one)
        size += length
    if group:
        yield group


def _keep(
    node: Node, account: Account, group: Sequence[Listed], came: Sequence[Fetched], at: Cursor, done: Fetching
) -> tuple[Cursor, list[int]]:
    """Keep letters and how far the box was read, in one unit of work; return that, and what may be marked."""
    kept: list[int] = []
    left = [uid for uid in at.left if uid not in {one.uid for one in group}]
    with node.store.write() as unit:
        waits = letters.Room(unit, account.office)
        known = correspondents.correspondents(unit, Actor(OfficeRef(node.me, OfficeId(account.office)), USER))
        for one in came:
            is_known = partial(bears_known_address, one.data, known)
            if letters.known(unit, account, one.data):
                done.known += 1
                kept.append(one.uid)
            elif not waits.take(len(one.data), is_known):
                left.append(one.uid)
                done.left += 1
            else:
                letter = letters.keep(node, unit, account, one.data)
                if not one.whole:
                    why = f"over MAIL_BYTES_MAX ({MAIL_BYTES_MAX}): only its beginning was fetched, it stays there"
                    cut = msgspec.structs.replace(letter, state=letters.WAITING, sort="too large", why=why)
                    letters.put(node, unit, letters.described(cut, one.data))
                    done.count(cut)
                done.came += 1
                if one.whole:
                    kept.append(one.uid)
        at = Cursor(at.validity, max(at.uid, *(one.uid for one in group)), tuple(left[-LETTERS_LEFT_MAX:]))
        accounts.put_cursor(unit, account, at)
    return at, kept

"""Mail of a serving node: every account fetched and sent by when it is due, each in a thread of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Final

import structlog

from comity.boot.compose import Machine
from comity.errors import ComityError
from comity.node.mail import accounts, outbox
from comity.node.mail.accounts import FETCH, SEND
from comity.node.mail.fetching import Fetching
from comity.node.mail.sending import Sendings

POSTERS: Final = 8  # mail servers waited for at once; the work itself is done in turns
LOOK_SECONDS: Final = 2.0  # between two looks at what is due
TELL_SECONDS: Final = 60.0  # between two looks at what is owed, and which digests are due
AMISS_SECONDS: Final = 60.0  # until something is tried again of which not even the outcome could be kept


class Posts:
    """Fetches and sendings under way."""

    def __init__(self, machine: Machine, log: structlog.typing.FilteringBoundLogger) -> None:
        self._machine = machine
        self._log = log
        self._pool = ThreadPoolExecutor(POSTERS, "mail")
        self._under_way: dict[tuple[str, str], Future[Fetching | Sendings | None]] = {}
        self._amiss: dict[tuple[str, str], float] = {}  # not before this time on the monotonic clock
        self._look = self._tell = 0.0

    def attend(self) -> None:
        """Take the outcomes of what has ended, and begin what is due."""
        for key, future in list(self._under_way.items()):
            if future.done():
                del self._under_way[key]
                self._ended(key, future)
        node, now = self._machine.services.node, time.monotonic()
        if not node.signs or now < self._look:
            return
        self._look = now + LOOK_SECONDS
        with self._machine.turns.mine(), node.store.read() as unit:
            known = [one for one in accounts.accounts(unit) if one.enabled]
            at = node.now()
            due = [one for one in known if one.imap is not None and accounts.health(unit, one, FETCH).due <= at]
            waits = {office: outbox.queued(unit, office) for office in {one.office for one in known}}
            ready = [
                one
                for one in known
                if any(each.account == one.name and each.due <= at for each in waits[one.office])
                and (not (health := accounts.health(unit, one, SEND)).failures or health.due <= at)
            ]
        for account in due:
            self._begin((account.key, FETCH), partial(self._machine.mail.fetch, account))
        for account in ready:
            self._begin((account.key, SEND), partial(self._machine.mail.send, account))
        if now >= self._tell:
            self._tell = now + TELL_SECONDS
            for office in waits:
                self._begin((office, "tell"), partial(self._told, office))

    def close(self) -> None:
        """Wait for what is under way; the machine's `stop` cuts it short."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _begin(self, key: tuple[str, str], run: Callable[[], Fetching | Sendings | None]) -> None:
        if key not in self._under_way and time.monotonic() >= self._amiss.get(key, 0.0):
            self._under_way[key] = self._pool.submit(self._in_turn, run)

    def _in_turn(self, run: Callable[[], Fetching | Sendings | None]) -> Fetching | Sendings | None:
        with self._machine.turns.mine():
            return run()

    def _told(self, office: str) -> None:
        count = self._machine.mail.telling.round(office)
        if count:
            self._log.info("mail queued", office=office, messages=count)

    def _ended(self, key: tuple[str, str], future: Future[Fetching | Sendings | None]) -> None:
        where, what = key
        error = future.exception()
        if error is not None:
            # A fault of the program too: what a stranger sends may not stop a node that serves.
            said = error.says() if isinstance(error, ComityError) else f"a fault of this program: {error!r}"
            self._amiss[key] = time.monotonic() + AMISS_SECONDS
            self._log.error("mail amiss", account=where, what=what, why=said)
            return
        done = future.result()
        if done is None:
            return
        if done.health.error:
            self._log.warning(f"mail {what} failed", account=where, why=f"{done.health.whose}: {done.health.error}")
        elif isinstance(done, Sendings) and done.states:
            self._log.info("mail sent", account=where, **done.states)
        elif isinstance(done, Fetching) and (done.came or done.left):
            self._log.info("mail came", account=where, letters=done.came, left=done.left, **done.states)

"""Who asks: every command names its actor, a user acting for an office of this party."""

from __future__ import annotations

from typing import NamedTuple

from comity.canon import OfficeId
from comity.party import OfficeRef


class Actor(NamedTuple):
    """A user of this node and the office they act for."""

    office: OfficeRef
    user: str

    def __str__(self) -> str:
        """Return `<user> for <party>/<office>`."""
        return f"{self.user} for {self.office}"

    @property
    def office_id(self) -> OfficeId:
        """Return the office's short name."""
        return self.office.office

    @property
    def person(self) -> str:
        """Return the actor's name as a TLP:RED marking writes it."""
        return f"{self.office}/{self.user}"

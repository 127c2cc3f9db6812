"""Every error Comity raises on purpose, and whose fault each one is.

    ComityError
    ├── Theirs            a peer, a file or a caller sent something wrong
    │   ├── Malformed     the bytes are not what they claim to be
    │   ├── Unverified    the bytes are well formed but the proof does not hold
    │   ├── Refused       understood and proven, but the terms or the rules forbid it
    │   └── TooLarge      over a named limit (see `comity.limits`)
    ├── Unreachable       the wire: nobody answered, or the answer was cut
    ├── Ours              this node or the person at it
    │   ├── Misuse        the command or call cannot be carried out as given
    │   ├── NotFound      what was named is not here
    │   └── Conflict      somebody or something else got there first
    └── Fault             this machine: disk, database, clock, a file's permissions

Rules: a message says what happened and to what; `hint` says what to do next. Errors
of libraries are converted where they arise, with `from`; one that leaks is a bug.
"""

from __future__ import annotations

from typing import ClassVar


class ComityError(Exception):
    """What happened (`str(error)`), and what to do about it (`error.hint`)."""

    code: ClassVar[str] = "error"
    whose: ClassVar[str] = "unknown"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def says(self) -> str:
        """Return one line for a person: whose fault, what happened, what to do."""
        line = f"{self.whose}: {self}"
        return f"{line} → {self.hint}" if self.hint else line


class Theirs(ComityError):
    """The other side, or the file at hand, is at fault."""

    code = "theirs"
    whose = "their data"
    exit_code = 65  # EX_DATAERR of sysexits.h


class Malformed(Theirs):
    """The bytes are not what they claim to be. Parsers raise this and nothing else."""

    code = "malformed"


class Unverified(Theirs):
    """A signature, proof, commitment or digest does not hold."""

    code = "unverified"
    exit_code = 76  # EX_PROTOCOL


class Refused(Theirs):
    """Understood and proven, but forbidden by the accord, a marking or a rule."""

    code = "refused"
    exit_code = 77  # EX_NOPERM


class TooLarge(Theirs):
    """Over a named limit; the message names it."""

    code = "too-large"


class Unreachable(ComityError):
    """The wire: nobody answered in time, or the answer broke off. Safe to try again."""

    code = "unreachable"
    whose = "the network"
    exit_code = 69  # EX_UNAVAILABLE


class Ours(ComityError):
    """The person or program that asked is at fault."""

    code = "ours"
    whose = "this request"
    exit_code = 64  # EX_USAGE


class Misuse(Ours):
    """The command or call cannot be carried out as given."""

    code = "misuse"


class NotFound(Ours):
    """What was named is not here."""

    code = "not-found"
    exit_code = 66  # EX_NOINPUT


class Conflict(Ours):
    """Somebody or something else got there first; look again, then decide."""

    code = "conflict"
    exit_code = 75  # EX_TEMPFAIL


class Fault(ComityError):
    """This machine is at fault: disk, database, clock or a file's permissions."""

    code = "fault"
    whose = "this machine"
    exit_code = 74  # EX_IOERR

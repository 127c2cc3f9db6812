"""Takes what comes of a collection as a node does."""

from __future__ import annotations

from collections.abc import Callable

from comity.errors import ComityError
from comity.formats.stix.report import Refusal
from comity.transports.caller import Caller
from comity.transports.discovery import Asked
from comity.transports.taxii import Taxii as Client

Call = Callable[..., Caller]


class Consumer:
    """Keeps what comes as `node.polling` does: a part whole, then the cursor; the same bytes once."""

    def __init__(self, call: Call, address: str, asked: Asked = Asked()) -> None:  # noqa: B008
        self.call, self.address, self.asked = call, address, asked
        self.cursor = b""
        self.kept: list[bytes] = []
        self.refused: list[Refusal] = []
        self.known = 0
        self.again = 0  # came although it was kept: a node leaves it out by its bytes
        self.faults: list[str] = []

    def poll(self, die_after: int = 1 << 30) -> ComityError | None:
        client = Client(self.call(self.address), self.asked)
        try:
            for number, part in enumerate(client.parts(self.cursor)):
                assert part.pieces is not None
                for piece in part.pieces:
                    if isinstance(piece, Refusal):
                        self.refused.append(piece)
                    elif piece.data in self.kept:
                        self.again += 1
                    else:
                        self.kept.append(piece.data)
                if number == die_after:
                    return None
                self.cursor = part.settle(True)
                self.known += part.known
        except ComityError as error:
            return error
        finally:
            self.faults = client.faults.named
        return None

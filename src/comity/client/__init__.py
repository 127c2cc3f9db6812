"""A node's API for programs: `Client`, typed, tolerant of older and newer nodes.

with Client("https://node.arcadia.example:8461", token) as node:
    for line in node.known(["192.0.2.7", "evil[.]example"]):
        print(line.asked, line.state)
"""

from __future__ import annotations

from comity.client.calls import Older as Older
from comity.client.files import Files
from comity.client.reading import Reading
from comity.client.recording import Recording


class Client(Reading, Recording, Files):
    """One node, asked by one token: what it holds, what is put on record there, files both ways."""

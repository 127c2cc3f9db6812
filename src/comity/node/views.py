"""The spine's own views: what acts and the home log's records add up to.

Rules: like every view, cleared and folded again by `comity rebuild`; nothing here is the only copy.
"""

from __future__ import annotations

from typing import Final

from comity.areas import intel
from comity.view import View, ViewKind

MEMBERSHIP: Final = View(  # acts that move an accord: join, leave, suspend, resume, ballot
    "membership",
    (("position", ViewKind.INTEGER), ("accord", ViewKind.TEXT)),
    by=(("accord",),),
)
HOLDING: Final = View(  # the newest answer of each holder about each log
    "holding",
    (
        ("position", ViewKind.INTEGER),
        ("origin", ViewKind.TEXT),
        ("holder", ViewKind.TEXT),
        ("size", ViewKind.INTEGER),
    ),
    clustered=("origin", "holder"),
)
PASSED: Final = View(  # where an entry was passed on: stated in an accord, or relayed
    "passed",
    (("position", ViewKind.INTEGER), ("source", ViewKind.INTEGER)),
    by=(("source",),),
)
FLASH: Final = View("flash", (("position", ViewKind.INTEGER),))
VIEWS: Final = (MEMBERSHIP, HOLDING, PASSED, FLASH, *intel.VIEWS)
VERSION: Final = 1  # of the spine's views

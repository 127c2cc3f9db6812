"""How often this program looks for cycles among its objects.

Bulk work makes many small objects and no cycles: trees of STIX, rows, answers. At Python's own setting, a look after
every 700 of them, a tenth of an ingest goes into looking for what is not there.
"""

from __future__ import annotations

import gc
from typing import Final

YOUNG_OBJECTS: Final = 50_000  # containers made and not freed since the last look: about 10 MB of objects
GENERATIONS: Final = (20, 50)  # looks at the young before one at the middle-aged, and so on


def collect_rarely() -> None:
    """Set what is there already aside, and look for cycles after `YOUNG_OBJECTS` more."""
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *GENERATIONS)

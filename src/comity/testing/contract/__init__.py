"""What every store promises, as tests that any backend runs.

    class TestMine(StoreContract): ...      with two fixtures, `opener` and `store`

Rules: nothing here knows a backend. `opener()` opens the same store again; `store` is that store, opened once.
A test asks only what `comity.node.ports` promises, and fails on a store that breaks it. No test framework is
imported, so that a backend kept elsewhere can be proven by whatever runs its tests.
"""

from __future__ import annotations

from comity.testing.contract.entries import EntriesContract
from comity.testing.contract.logs import LogsContract
from comity.testing.contract.payloads import PayloadsContract
from comity.testing.contract.texts import TextsContract
from comity.testing.contract.units import ShelvesContract, UnitsContract
from comity.testing.contract.views import ViewsContract


class StoreContract(
    LogsContract, EntriesContract, PayloadsContract, ViewsContract, TextsContract, UnitsContract, ShelvesContract
):
    """All of it. A test's arguments are fixtures: `store`, and `opener` where it opens a store more than once."""

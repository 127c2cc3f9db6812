"""Everything a node can be asked to do, wired once over one store, one set of keys and one clock."""

from __future__ import annotations

from dataclasses import dataclass

from comity.areas import intel
from comity.areas.intel import Checker
from comity.node.accords import Accords
from comity.node.asking import Asking
from comity.node.explaining import Explaining
from comity.node.interests import Interests
from comity.node.node import Node
from comity.node.openings import Openings
from comity.node.owing import Owing
from comity.node.programs import ProgramOpenings
from comity.node.queries import Queries
from comity.node.releases import Releases
from comity.node.seeing import Seeing
from comity.node.serving import Serving
from comity.node.sharing import Sharing
from comity.node.syncing import Syncing


@dataclass(frozen=True, slots=True)
class Services:
    """A composed node. Commands that need no state of their own are functions of `node` in their modules."""

    node: Node
    accords: Accords
    releases: Releases
    queries: Queries
    explaining: Explaining
    sharing: Sharing
    asking: Asking
    interests: Interests
    seeing: Seeing
    programs: Seeing  # for this party's own programs
    owing: Owing
    serving: Serving
    syncing: Syncing
    check: Checker  # how what comes in is checked


def compose(node: Node, check: Checker = intel.check_each) -> Services:
    """Return the services of a node."""
    accords = Accords(node)
    releases = Releases(node, accords)
    queries = Queries(node, accords, releases)
    openings = Openings(node, releases)
    sharing = Sharing(node, accords, releases)
    asking = Asking(node, accords, releases, queries)
    return Services(
        node=node,
        accords=accords,
        releases=releases,
        queries=queries,
        explaining=Explaining(node, accords, releases, queries),
        sharing=sharing,
        asking=asking,
        interests=Interests(node, asking, queries),
        seeing=Seeing(node, openings, queries),
        programs=Seeing(node, ProgramOpenings(node, releases), queries),
        owing=Owing(node, openings, queries),
        serving=Serving(node, accords, releases),
        syncing=Syncing(node, accords, sharing),
        check=check,
    )

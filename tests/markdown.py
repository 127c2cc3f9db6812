"""What the tests need of a page of Markdown: its fenced blocks, headings, links and tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NOT_RUN = "<!-- not run -->"
FENCE = re.compile(r"^(?P<indent>\s*)(?P<ticks>`{3,})(?P<language>[\w-]*)")
LINK = re.compile(
    r"\[[^\]]*\]\((?P<inline>[^)\s]+)(?:\s+\"[^\"]*\")?\)|^\[[^\]]+\]:\s+(?P<reference>\S+)", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: `line` is that of its first line of content."""

    line: int
    language: str
    text: str
    runs: bool


@dataclass(frozen=True, slots=True)
class Page:
    """A page's fenced blocks, and its prose with these blanked out so that line numbers hold."""

    path: Path
    blocks: tuple[Block, ...]
    prose: str


def read(path: Path) -> Page:
    """Read a page; raises `AssertionError` for a fence that is never closed."""
    blocks: list[Block] = []
    prose: list[str] = []
    fence: re.Match[str] | None = None
    content: list[str] = []
    before = ""  # the last line of prose that is not blank
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if fence is None and (fence := FENCE.match(line)):
            content, begins = [], number + 1
        elif fence is not None and line.strip() == fence["ticks"]:
            text = "\n".join(row.removeprefix(fence["indent"]) for row in content)
            blocks.append(Block(begins, fence["language"], text, before != NOT_RUN))
            fence, before = None, ""
        elif fence is not None:
            content.append(line)
        else:
            prose.append(line)
            before = line.strip() or before
            continue
        prose.append("")
    assert fence is None, f"{path}: a fence is never closed"
    return Page(path, tuple(blocks), "\n".join(prose))


def links(page: Page) -> Iterator[tuple[int, str]]:
    """Yield line and target of every link and image outside code."""
    prose = re.sub(r"`[^`\n]*`", "", page.prose)
    for match in LINK.finditer(prose):
        yield prose.count("\n", 0, match.start()) + 1, match["inline"] or match["reference"]


def anchors(page: Page) -> set[str]:
    """Return the anchors of a page's headings, as code hosts make them."""
    found: set[str] = set()
    for title in re.findall(r"^#{1,6}\s+(.+?)\s*#*$", page.prose, re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        copies = [slug, *(f"{slug}-{number}" for number in range(1, 100))]
        found.add(next(copy for copy in copies if copy not in found))
    return found


def column(page: Page, title: str) -> Iterator[tuple[int, str]]:
    """Yield line and cell of a column in every table that has one of that title."""
    place: int | None = None
    for number, line in enumerate(page.prose.splitlines(), 1):
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        if not line.strip().startswith("|"):
            place = None
        elif place is None:
            place = cells.index(title) if title in cells else -1
        elif place >= 0 and not set(line) <= set("|-: "):
            yield number, cells[place] if place < len(cells) else ""

"""Messages for people in chats: Slack and Mattermost, Microsoft Teams, Matrix.

Rules: a stranger's words cannot mention anybody, make a link or end the block that they stand in. Slack takes `&`, `<`
and `>` as control characters (https://api.slack.com/reference/surfaces/formatting); Mattermost reads Markdown, where a
fenced block has neither links nor mentions; a Teams card's `TextRun` and a Matrix `m.text` are plain text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from comity.formats.telling.message import Message, head, lines

CARD: Final = "application/vnd.microsoft.card.adaptive"
CARD_VERSION: Final = "1.4"  # the newest that Teams takes from a webhook
TEXT_CHARS_MAX: Final = 12_000  # characters of one message: Mattermost takes 16,383, Slack cuts at 40,000
CARD_LINES_MAX: Final = 50  # Teams refuses what is over 28 kB


def _quiet(text: str) -> str:
    """Return text that mentions nobody and ends no fenced block."""
    return text.replace("@", "[@]").replace("[[@]]", "[@]").replace("`", "'")


def _body(message: Message) -> str:
    told = "\n".join(_quiet(line) for line in lines(message))
    if len(told) > TEXT_CHARS_MAX:
        told = told[: told.rfind("\n", 0, TEXT_CHARS_MAX)] + "\nand more: see the node"
    return told


def _text(message: Message) -> str:
    """Return a message with what strangers say in a fenced block."""
    told = _body(message)
    link = f"\n{message.link}" if message.link else ""
    return _quiet(head(message)) + (f"\n```\n{told}\n```" if told else "") + link


def slack(message: Message) -> bytes:
    """Return a message for an incoming webhook of Slack, or of what takes Slack's."""
    text = _text(message).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return msgspec.json.encode({"text": text})


def mattermost(message: Message) -> bytes:
    """Return a message for an incoming webhook of Mattermost."""
    return msgspec.json.encode({"text": _text(message)})


def teams(message: Message) -> bytes:
    """Return a message with an adaptive card for a Teams webhook, workflows' ones too."""
    runs: list[dict[str, Any]] = [_runs(head(message), weight="Bolder")]
    told = list(lines(message))
    runs += [_runs(line) for line in told[:CARD_LINES_MAX]]
    if len(told) > CARD_LINES_MAX:
        runs.append(_runs(f"and {len(told) - CARD_LINES_MAX} lines more: see the node"))
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": CARD_VERSION,
        "body": runs,
    }
    if message.link.startswith("https://"):
        card["actions"] = [{"type": "Action.OpenUrl", "title": "See the node", "url": message.link}]
    return msgspec.json.encode({"type": "message", "attachments": [{"contentType": CARD, "content": card}]})


def _runs(text: str, **more: str) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **more}]}


def matrix(message: Message) -> bytes:
    """Return an `m.room.message` of the Matrix client-server API; people's clients show `m.notice` without a sound."""
    told = _body(message)
    text = "\n".join(part for part in (_quiet(head(message)), told, message.link) if part)
    return msgspec.json.encode({"msgtype": "m.text", "body": text})


FORMS: Final[Mapping[str, Callable[[Message], bytes]]] = {
    "slack": slack,
    "mattermost": mattermost,
    "teams": teams,
    "matrix": matrix,
}

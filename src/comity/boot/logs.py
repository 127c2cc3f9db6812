"""How a serving node logs: one event a line on standard error, for people or for machines.

Rules: events carry names, counts and reasons, never keys, payloads or values; what strangers wrote is
escaped, so that it cannot forge a line or move a terminal's cursor.
"""

from __future__ import annotations

import sys

import structlog


def configure(form: str) -> None:
    """Send events to standard error, as `console` or as `json` lines."""
    renderer: structlog.typing.Processor
    if form == "json":
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _escaped,
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _escaped(
    logger: structlog.typing.WrappedLogger, name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    for key, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            event[key] = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in value)
    return event

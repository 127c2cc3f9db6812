"""Comity: working infrastructure for agreements between sovereign parties."""

from __future__ import annotations

__version__ = "0.1.0"

"""What a node can be asked to do: commands that name their actor, queries, and the one way out."""

from __future__ import annotations

"""The two ways in which what others send can be wrong.

TlogError
├── FormatError   the bytes are not what they claim to be
└── ProofError    the bytes are well formed, but a signature or proof does not hold
"""

from __future__ import annotations


class TlogError(Exception):
    """Anything a verifiable log raises on purpose."""


class FormatError(TlogError):
    """The bytes are not what they claim to be. Parsers raise this and nothing else."""


class ProofError(TlogError):
    """A signature, proof or opening does not hold, or the one asked for cannot exist."""

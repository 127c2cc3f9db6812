"""Verifiable logs in the C2SP formats: notes, checkpoints, RFC 6962 trees, tiles, proofs, forks.

The texts followed are those of github.com/C2SP/C2SP at commit 5ba5ee8: signed-note, tlog-checkpoint,
tlog-cosignature, tlog-tiles, tlog-proof. The leaf (`leaf`) and the fork certificate (`fork`) are ours.

Rules: nothing here knows of parties, accords or stores, and nothing of Comity is imported. No clock,
no files, no randomness. Parsers take any bytes and give a value or `FormatError`; a signature or proof
that does not hold is a `ProofError`. What is parsed encodes again to the very same bytes.
"""

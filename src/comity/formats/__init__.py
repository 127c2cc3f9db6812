"""Formats: bytes to values and back, pure. Bytes come in from the caller, values go out, refusals say why."""

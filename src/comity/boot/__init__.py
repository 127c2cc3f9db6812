"""Wiring: settings, keys, the composed node, the worker loop and the program's entry."""

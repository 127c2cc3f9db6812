"""Observables out of running text, HTML and PDF."""

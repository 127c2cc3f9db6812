"""Peers' and correspondents' protocols, both directions. None imports another."""

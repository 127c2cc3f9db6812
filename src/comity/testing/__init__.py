"""A seeded world of composed nodes with a virtual clock and a faulty network; strategies; the store contract."""

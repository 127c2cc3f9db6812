"""The HTTP API of a node for this party's own programs: the same operations as the command line's, by token."""

"""People's and machines' faces of this node."""

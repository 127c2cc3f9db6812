"""Mail: what a message says, who says so, how it is protected; and messages as other people's programs expect them."""

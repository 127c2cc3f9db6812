"""Mail of a node: letters that come, judged and taken as their senders'; messages that go, decided and protected."""

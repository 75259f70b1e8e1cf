"""Several processes that carry the traffic of one node, and the one that looks after them."""

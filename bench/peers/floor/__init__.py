"""The floor: the parts alone, with as little as possible between them."""

"""The nouns of the backbone: parsed once at the edge, trusted afterwards."""

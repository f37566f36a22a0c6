"""The decisions of the backbone: plain Python over the ports."""

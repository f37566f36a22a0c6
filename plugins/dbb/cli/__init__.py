"""The ``dbb`` command: one module a command, over the same flows as the pages."""

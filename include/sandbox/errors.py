"""Say what failed in the sandbox, where, and what to do next."""

from __future__ import annotations


class SandboxError(Exception):
    """Stop a sandbox command with one readable line.

    Parameters
    ----------
    what
        What went wrong.
    where
        The service, file or command concerned.
    next_action
        What the reader should do now.
    """

    def __init__(self, what: str, *, where: str, next_action: str) -> None:
        super().__init__(f"{what} (where: {where}). {next_action}")
        self.what = what
        self.where = where
        self.next_action = next_action

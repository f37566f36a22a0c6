"""What the hooks share that keep tables beside the ledger's own."""

from __future__ import annotations

from dbb.hooks.ledger import SqlLedger


class LedgerHook:
    """Keep tables in the ledger's database, by its clock and in its actor's name.

    Parameters
    ----------
    ledger
        Whose database it is.
    """

    def __init__(self, ledger: SqlLedger) -> None:
        self._ledger = ledger

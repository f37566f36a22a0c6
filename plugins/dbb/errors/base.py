"""The root of the errors, and the five families that decide what happens next."""

from __future__ import annotations

from typing import Any, ClassVar

from dbb.secrecy import conceal


class DbbError(Exception):
    """Carry a stable code, the place and the next action of a failure.

    Parameters
    ----------
    message
        What went wrong, in one sentence.
    where
        The file, exposure, endpoint or setting concerned.
    next_action
        What comes next, where that is known better than the class knows it.

    Message and place are kept without secrets: they go to terminals, pages, mails and the ledger, and libraries put the
    addresses that they ask into their own messages.
    """

    code: ClassVar[str] = "dbb-error"
    next_action: str = "Read the task's log."

    def __init__(self, message: str, where: str = "", next_action: str = "") -> None:
        self.message = conceal(message)
        self.where = conceal(where)
        super().__init__(self.message, self.where)
        if next_action:
            self.next_action = next_action

    def __reduce__(self) -> tuple[Any, ...]:
        """Survive the trip between processes that Airflow makes exceptions take."""
        return type(self), (self.message, self.where, self.next_action)

    def __str__(self) -> str:
        place = f" [{self.where}]" if self.where else ""
        return f"{self.code}: {self.message}{place} Next: {self.next_action}"


class Transient(DbbError):
    """Report a failure that time is expected to mend: retried with back-off."""

    next_action = "None: it is retried by itself. Look at the service if it lasts."


class Damaged(DbbError):
    """Report a copy whose bytes are wrong: quarantine it and fetch another."""

    next_action = "Ask the source to send the file again; the good copy goes through by itself."


class BrokenContract(DbbError):
    """Report input that upstream should never have sent: quarantine it and tell upstream."""

    next_action = "Tell the producer; then release or reject it with `dbb quarantine`."


class OverBudget(DbbError):
    """Report that a time or space budget is spent: alert, do not retry."""

    next_action = "Decide: wait, act or accept."


class Misconfigured(DbbError):
    """Report a fault of the installation: stop loudly until it is mended."""

    next_action = "Mend the configuration; `dbb doctor` names what is wrong."

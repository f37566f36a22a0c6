"""The loss of raw images: what is allowed, what is spent, and what can be claimed with confidence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

DATA_LOSS_MAX = 1e-5  # dataLossMax, DMS-DBB-REQ-0035: of the raw images of ten years
CONFIDENCE = 0.95


def upper_bound(lost: int, of: int, confidence: float = CONFIDENCE) -> float:
    """Give the exact upper bound of a share of which so many were seen (Clopper and Pearson 1934).

    With none lost of 300,000 it is 1e-5 at 95 % confidence.
    """
    if not 0 <= lost <= of:
        raise ValueError(f"{lost} of {of}")
    if lost == of:
        return 1.0
    if lost == 0:
        return -math.expm1(math.log1p(-confidence) / of)
    low, high = lost / of, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        if _log_at_most(lost, of, middle) > math.log1p(-confidence):
            low = middle
        else:
            high = middle
    return high


def _log_at_most(lost: int, of: int, share: float) -> float:
    """Give the logarithm of the probability of seeing at most so many."""
    terms = [
        math.lgamma(of + 1)
        - math.lgamma(seen + 1)
        - math.lgamma(of - seen + 1)
        + seen * math.log(share)
        + (of - seen) * math.log1p(-share)
        for seen in range(lost + 1)
    ]
    largest = max(terms)
    return largest + math.log(sum(math.exp(term - largest) for term in terms))


@dataclass(frozen=True, slots=True)
class LossAccount:
    """Hold the account of raw images.

    Parameters
    ----------
    images
        Images that ever arrived.
    lost
        Those of which no good copy is left anywhere: the budget that is spent.
    suspected
        Those that are published nowhere and do not lie at the source any more; something is wrong with each.
    read_again
        Those of which a published copy was read within the period.
    one_copy
        Those that are published at one endpoint only.
    """

    images: int
    lost: int
    suspected: int
    read_again: int
    one_copy: int

    @property
    def allowed(self) -> float:
        """Give the images that may be lost."""
        return self.images * DATA_LOSS_MAX

    @property
    def bound(self) -> float | None:
        """Give the share that is lost at most, with confidence: what was not read counts as not known."""
        seen = self.read_again + self.lost
        return upper_bound(self.lost, seen) if seen else None

    @property
    def coverage(self) -> float | None:
        """Give the share of the images of which a copy was read within the period."""
        return self.read_again / self.images if self.images else None

    @property
    def is_kept(self) -> bool:
        """Say whether the budget holds: more than allowed is neither lost nor suspected."""
        return self.lost + self.suspected <= self.allowed

    def to_json(self) -> dict[str, Any]:
        """Give it as it stands in a document."""
        return {
            "images": self.images,
            "allowed": round(self.allowed, 3),
            "lost": self.lost,
            "suspected": self.suspected,
            "read_again": self.read_again,
            "coverage": self.coverage,
            "one_copy": self.one_copy,
            "lost_share_at_most": self.bound,
            "confidence": CONFIDENCE,
            "goal": DATA_LOSS_MAX,
            "kept": self.is_kept,
        }

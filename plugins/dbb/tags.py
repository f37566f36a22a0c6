"""The closed set of tags by which operators filter the list of DAGs."""

from __future__ import annotations

from enum import StrEnum


class Tag(StrEnum):
    """Say what a DAG is about; each member states what is then true."""

    RAW = "raw"
    """It moves raw exposures."""
    DELIVERY = "delivery"
    """It publishes at one endpoint what Rucio brings there."""
    PRODUCTS = "products"
    """It moves products and permanent files."""
    LFA = "large file annex"
    """It moves objects of the Large File Annex."""
    EFD = "efd"
    """It archives the Engineering and Facilities Database."""
    ALERTS = "alerts"
    """It archives alert packets."""
    CALIBRATION = "calibration"
    """It makes calibrations, or puts them in force."""
    NIGHTLY = "nightly"
    """It has one run for each observing night, and can be backfilled."""
    UPKEEP = "upkeep"
    """It moves nothing: it looks after what is there."""
    LIVE = "live"
    """It runs while the telescope observes."""
    AUDIT = "audit"
    """It looks whether what is kept is right, and never gets in the way of what moves."""

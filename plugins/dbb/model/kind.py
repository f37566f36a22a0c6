"""The kinds of things that travel: what policies, Rucio and the ledger sort them by."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What a unit is."""

    RAW = "raw"
    """An exposure's images and header documents, as one zip."""
    PRODUCT = "product"
    """A batch of files that Butler serves: calibrations, coadds, catalogues."""
    FILE = "file"
    """A batch of permanent files that are no Butler datasets."""
    LFA = "lfa"
    """Objects of the Large File Annex; Butler serves some of them."""

    LEVEL1 = "level1"
    """Level 1 images that Butler serves for a while and nobody archives: processed and difference images."""

    @property
    def is_archived(self) -> bool:
        """Say whether units of this kind are kept for ever; others go by their age alone."""
        return self is not Kind.LEVEL1

    @property
    def scope(self) -> str:
        """Give the Rucio scope, which is the first folder in the stores too."""
        return _SCOPES[self]


_SCOPES = {
    Kind.RAW: "raw",
    Kind.PRODUCT: "products",
    Kind.FILE: "files",
    Kind.LFA: "lfa",
    Kind.LEVEL1: "level1",
}

"""Errors of one copy's bytes: it goes to quarantine, another is fetched."""

from __future__ import annotations

from typing import Self

from dbb.errors.base import Damaged


class MissingCopy(Damaged):
    """Report a file that ought to be in a store and is not."""

    code = "missing-copy"
    next_action = "`dbb where` lists the other copies; the next run fetches it again."

    @classmethod
    def for_file(cls, url: str) -> Self:
        """Name the file."""
        return cls("The file is not there.", url)


class TruncatedFile(Damaged):
    """Report a file that ends before its own structure says so."""

    code = "truncated-file"

    @classmethod
    def for_file(cls, name: str, expected_bytes: int, found_bytes: int) -> Self:
        """Name the file and both sizes."""
        return cls(f"The file has {found_bytes} of {expected_bytes} bytes.", name)


class UnreadableFits(Damaged):
    """Report bytes that are no FITS file."""

    code = "unreadable-fits"

    @classmethod
    def for_file(cls, name: str, cause: object) -> Self:
        """Name the file and what is wrong with its structure."""
        return cls(f"The file is not valid FITS: {cause}.", name)


class FitsChecksumMismatch(Damaged):
    """Report a FITS unit whose CHECKSUM or DATASUM disagrees with its bytes."""

    code = "fits-checksum-mismatch"

    @classmethod
    def for_unit(cls, name: str, unit: int, keyword: str) -> Self:
        """Name the file, the header-data unit (counted from 0) and the keyword."""
        return cls(f"{keyword} of header-data unit {unit} disagrees with the bytes.", name)


class DigestMismatch(Damaged):
    """Report a copy whose digest is not the manifest's."""

    code = "digest-mismatch"
    next_action = "The copy is never published; `dbb verify` re-reads it, the next run replaces it."

    @classmethod
    def for_copy(cls, url: str, expected: str, found: str) -> Self:
        """Name the copy and both digests."""
        return cls(f"The copy reads as {found}, the manifest says {expected}.", url)


class ExportDamaged(Damaged):
    """Report an export that is not what it was made of."""

    code = "export-damaged"
    next_action = (
        "`dbb export repair` fetches what is missing or changed; look at the destination's disk."
    )

    @classmethod
    def for_bag(cls, bag: object, findings: int, first: str) -> Self:
        """Name the bag, and what is wrong with it first of all."""
        return cls(f"The export has {findings} findings, first of all {first}.", str(bag))

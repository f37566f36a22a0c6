"""How Butler reads a raw file: a FITS file or a member of a bundle, as an ``HDUList``."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from io import BytesIO
from typing import Any, BinaryIO, ClassVar

from astropy.io import fits
from lsst.daf.butler import FormatterV2
from lsst.resources import ResourceHandleProtocol

NAME = "dbb.hooks.butler_formatter.FitsFileFormatter"
"""What a registry records for each dataset; it must stay importable for as long as one does."""

_COMMENTARY = frozenset({"COMMENT", "HISTORY", ""})


class FitsFileFormatter(FormatterV2):  # type: ignore[misc] # untyped for mypy
    """Read FITS from wherever it lies: a zip member, a local file, ``file://`` or ``s3://``.

    The bytes are read whole, so that the images stay usable after the file is closed, and no copy
    is left in a temporary folder. The component ``metadata`` is the primary header as a dictionary.
    """

    default_extension: ClassVar[str | None] = ".fits"
    supported_extensions: ClassVar[AbstractSet[str]] = frozenset({".fits", ".fits.fz"})
    can_read_from_stream: ClassVar[bool] = True

    def read_from_stream(
        self,
        stream: BinaryIO | ResourceHandleProtocol[Any],
        component: str | None = None,
        expected_size: int = -1,  # noqa: ARG002 - Butler's signature
    ) -> Any:
        """Read the images, or only the primary header; other components are not known here."""
        if component is None:
            return fits.open(BytesIO(stream.read()), memmap=False)
        if component == "metadata":
            return read_primary_header(stream)
        return NotImplemented

    def write_local_file(self, in_memory_dataset: Any, uri: Any) -> None:
        """Write an ``HDUList`` that somebody puts, with its checksums."""
        in_memory_dataset.writeto(uri.ospath, checksum=True)


def read_primary_header(stream: BinaryIO | ResourceHandleProtocol[Any]) -> dict[str, Any]:
    """Read the first header of a FITS file, without its comments, up to its END."""
    header = fits.Header.fromfile(stream)
    return {key: value for key, value in header.items() if key not in _COMMENTARY}

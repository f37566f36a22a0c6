"""What a canary asks of a Butler repository: to know its camera, and its images as a user has them."""

from __future__ import annotations

import io
import uuid
import zipfile

from lsst.daf.butler import Butler
from sqlalchemy.exc import InterfaceError, OperationalError

from dbb.errors import MissingCopy, RepositoryUnavailable
from dbb.hooks.butler_setup import create_repository
from dbb.hooks.certificates import BUTLER_CA, made_clear
from dbb.model.instrument import Instrument


def prepare_repository(root: str, instrument: Instrument, run: str) -> None:
    """Make sure that a repository, which is there, knows the canary's camera and run.

    Raises
    ------
    RepositoryUnavailable
        If it does not answer.
    """
    try:
        create_repository(root, [instrument], run=run)
    except (OSError, OperationalError, InterfaceError) as error:
        failure = RepositoryUnavailable.for_repository(root, type(error).__name__)
        raise made_clear(failure, error, BUTLER_CA) from error


def read_dataset(root: str, dataset_id: str) -> bytes:
    """Have Butler read an image; give the bytes that it was read from.

    Raises
    ------
    MissingCopy
        If the repository does not have it.
    RepositoryUnavailable
        If it does not answer.
    """
    try:
        with Butler.from_config(root, writeable=False) as butler:
            ref = butler.get_dataset(uuid.UUID(dataset_id))
            if ref is None:
                raise MissingCopy.for_file(f"{root}: dataset {dataset_id}")
            butler.get(ref)
            place = butler.getURI(ref)
            member = place.fragment.removeprefix("zip-path=")
            data: bytes = place.replace(fragment="").read()
    except (OSError, OperationalError, InterfaceError) as error:
        failure = RepositoryUnavailable.for_repository(root, str(error)[:200])
        raise made_clear(failure, error, BUTLER_CA) from error
    return zipfile.ZipFile(io.BytesIO(data)).read(member) if member else data

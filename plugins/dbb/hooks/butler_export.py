"""What an export asks of a Butler repository: which datasets, and the registry's part of them."""

from __future__ import annotations

import contextlib
import io
import itertools
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lsst.daf.butler import (
    Butler,
    CollectionType,
    DatasetRef,
    DimensionRecord,
    FileDataset,
    InvalidQueryError,
    MissingCollectionError,
    MissingDatasetTypeError,
)
from sqlalchemy.exc import InterfaceError, OperationalError

from dbb.errors import BadDocument, ExportRefused, RepositoryUnavailable
from dbb.hooks.butler_batch import is_outage
from dbb.hooks.butler_visits import VISIT_ELEMENTS
from dbb.hooks.certificates import BUTLER_CA, made_clear
from dbb.model.export import ExportOrder, Unavailable, Wanted

DATASETS_AT_ONCE = 1000

_NOT_UNDERSTOOD = (
    InvalidQueryError,
    MissingCollectionError,
    MissingDatasetTypeError,
    ValueError,
    LookupError,
)
"""What Butler raises of a query that cannot be asked."""


class ButlerExport:
    """Select datasets of one repository, and write what Butler's own import reads.

    Parameters
    ----------
    root
        The folder or URL of ``butler.yaml``.
    """

    def __init__(self, root: str) -> None:
        self._root = root

    def select(self, order: ExportOrder) -> Iterator[Wanted | Unavailable]:
        """List the datasets that an order wants, piece by piece; name what it wants and is not there.

        A dataset may come more than once.

        Raises
        ------
        BadDocument
            If Butler does not understand the order.
        """
        with self._open() as butler:
            found = itertools.chain(
                _by_query(butler, order), _by_id(butler, order), _by_data_id(butler, order)
            )
            while batch := list(itertools.islice(found, DATASETS_AT_ONCE)):
                refs = [each for each in batch if isinstance(each, DatasetRef)]
                places = butler.get_many_uris(refs, allow_missing=True)
                yield from (each for each in batch if isinstance(each, Unavailable))
                for ref in refs:
                    place = places[ref].primaryURI if ref in places else None
                    yield Wanted(
                        str(ref.id),
                        ref.datasetType.name,
                        ref.run,
                        dict(ref.dataId.required),
                        "" if place is None else str(place),
                    )

    def universe(self) -> dict[str, Any]:
        """Name the dimension universe that the records follow."""
        with self._open() as butler:
            return {"namespace": butler.dimensions.namespace, "version": butler.dimensions.version}

    def describe_datasets(self, paths: Mapping[str, str], collections: Sequence[str]) -> bytes:
        """Write an import file of some datasets with all that they need.

        That is: their dimension records, the visits of their exposures, dataset types, runs, and which of them
        are in which tagged and calibration collections, from when until when.

        Parameters
        ----------
        paths
            Where each dataset lies in the bag, by UUID.
        collections
            The collections of the order; what is in them, to any depth, counts.

        Raises
        ------
        ExportRefused
            If a dataset is not there any more.
        """
        with self._open() as butler:
            refs = [_get(butler, name) for name in sorted(paths)]
            with _export(butler) as (context, read):
                for name in _closure(butler, collections):
                    if butler.collections.get_info(name).type is not CollectionType.CHAINED:
                        context.saveCollection(name)
                for element, records in _visits(butler, refs):
                    context.saveDimensionData(element, records)
                context.saveDatasets(
                    refs,
                    rewrite=lambda each: FileDataset(
                        path=paths[str(each.refs[0].id)], refs=each.refs, formatter=each.formatter
                    ),
                )
            return read()

    def describe_collections(self, collections: Sequence[str]) -> bytes:
        """Write an import file of collections, to any depth: it is imported last."""
        with self._open() as butler:
            with _export(butler) as (context, read):
                for name in _closure(butler, collections):
                    context.saveCollection(name)
            return read()

    def find(self, dataset_ids: Sequence[str]) -> dict[str, Wanted]:
        """Look datasets up by UUID; those that left are left out."""
        with self._open() as butler:
            refs = [ref for one in dataset_ids if (ref := butler.get_dataset(uuid.UUID(one)))]
            places = butler.get_many_uris(refs, allow_missing=True)
            return {
                str(ref.id): Wanted(
                    str(ref.id),
                    ref.datasetType.name,
                    ref.run,
                    dict(ref.dataId.required),
                    str(places[ref].primaryURI),
                )
                for ref in refs
                if ref in places
            }

    @contextlib.contextmanager
    def _open(self) -> Iterator[Butler]:
        try:
            butler = Butler.from_config(self._root, writeable=False)
        except (OSError, OperationalError, InterfaceError) as error:
            failure = RepositoryUnavailable.for_repository(self._root, type(error).__name__)
            raise made_clear(failure, error, BUTLER_CA) from error
        try:
            with butler:
                yield butler
        except _NOT_UNDERSTOOD as error:
            raise BadDocument.for_document("export order", _first_line(error)) from error
        except Exception as error:
            if is_outage(error):
                words = type(error).__name__
                raise RepositoryUnavailable.for_repository(self._root, words) from error
            raise


@contextlib.contextmanager
def _export(butler: Butler) -> Iterator[tuple[Any, Callable[[], bytes]]]:
    """Have Butler write an import file; what it wrote can be read after it has ended well."""
    written = io.BytesIO()
    with TemporaryDirectory() as folder:
        place = Path(folder) / "export.yaml"
        with butler.export(filename=str(place), transfer=None) as context:
            yield context, written.getvalue
        written.write(place.read_bytes())


def _by_query(butler: Butler, order: ExportOrder) -> Iterator[DatasetRef]:
    if (order.ids or order.data_ids) and not order.where:
        return  # what is wanted is named, one by one
    for name in order.dataset_types:
        with butler.query() as query:
            found = query.datasets(name, list(order.collections), find_first=order.find_first)
            yield from found.where(order.where, bind=dict(order.bind)) if order.where else found


def _by_id(butler: Butler, order: ExportOrder) -> Iterator[DatasetRef | Unavailable]:
    for name in order.ids:
        ref = butler.get_dataset(uuid.UUID(name))
        yield ref if ref is not None else Unavailable(name, "the repository has no such dataset")


def _by_data_id(butler: Butler, order: ExportOrder) -> Iterator[DatasetRef | Unavailable]:
    for data_id, name in itertools.product(order.data_ids, order.dataset_types):
        with butler.query() as query:
            found = query.datasets(name, list(order.collections), find_first=order.find_first)
            refs = list(found.where(dict(data_id)))
        if not refs:
            yield Unavailable(f"{name} {dict(data_id)}", "no collection of the order has it")
        yield from refs


def _get(butler: Butler, name: str) -> DatasetRef:
    ref = butler.get_dataset(uuid.UUID(name), dimension_records=True)
    if ref is None:
        raise ExportRefused.for_gone(name)
    return ref


def _closure(butler: Butler, collections: Sequence[str]) -> list[str]:
    """List collections with all that is in them, children before their chains."""
    found: list[str] = []
    for name in collections:
        if name not in found:
            children = butler.collections.get_info(name).children
            found += [each for each in _closure(butler, children) if each not in found]
            found.append(name)
    return found


def _visits(
    butler: Butler, refs: Iterable[DatasetRef]
) -> Iterator[tuple[str, list[DimensionRecord]]]:
    """Read the visits that are made of the exposures of datasets: no data id of a raw image names them."""
    exposures: dict[str, set[int]] = {}
    for ref in refs:
        if "exposure" in ref.dataId.dimensions:
            exposures.setdefault(str(ref.dataId["instrument"]), set()).add(
                int(ref.dataId["exposure"])
            )
    for instrument, numbers in sorted(exposures.items()):
        made = _records(butler, "visit_definition", instrument, "exposure", numbers)
        visits = {int(record.visit) for record in made}
        for element in VISIT_ELEMENTS if visits else ():
            yield element, _records(butler, element, instrument, "visit", visits)
        for element in (
            ("visit_system", "detector") if visits else ()
        ):  # regions are of all detectors
            yield element, _records(butler, element, instrument, "", set())


def _records(
    butler: Butler, element: str, instrument: str, dimension: str, numbers: set[int]
) -> list[DimensionRecord]:
    with butler.query() as query:
        found = query.dimension_records(element).where({"instrument": instrument})
        if numbers:
            found = found.where(f"{dimension} IN (numbers)", bind={"numbers": sorted(numbers)})
        elif dimension:
            return []
        return list(found)


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__

"""Handing a release over to an endpoint's Qserv: the steps around the loading, each safe to repeat.

Files are staged (directors first, since children lie where their directors do), written one a chunk, cut
into batches, loaded (``qserv_ingesting``), reconciled with Qserv's own counters, published, and compared
once more by SQL. Rows can never be added to what is published: so nothing is published that was not
reconciled.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dbb.errors import CatalogUnfit, LoadRefused, QservRefused, QservUnavailable, QservUnfit
from dbb.flows.backbone import Backbone
from dbb.flows.qserv_inputs import find_inputs, verify_inputs
from dbb.flows.qserv_views import Check, Handoff, InputRow, Stage
from dbb.model.qserv import ChunkFile, ColumnStatistics, Overlay, TableKind, TablePlan

log = logging.getLogger(__name__)


def preflight(handoff: Handoff) -> dict[str, Any]:
    """Ask whether Qserv can take the release; change nothing.

    Raises
    ------
    QservUnfit
        With the reason: a version, no workers, a family of another overlap, a database that is
        published or was made by somebody else.
    """
    server, plan = handoff.server, handoff.plan
    told: dict[str, Any] = {"api_version": server.version(), "workers": server.workers()}
    if not told["workers"]:
        raise QservUnfit.for_reason(plan.database, "No worker takes rows")
    for family in server.families():
        cut = (int(family["num_stripes"]), int(family["num_sub_stripes"]))
        is_ours = cut == (plan.layout.stripes, plan.layout.sub_stripes)
        if is_ours and abs(float(family["overlap"]) - plan.layout.overlap) > 1e-9:
            raise QservUnfit.for_reason(
                plan.database,
                f"Its family {family['name']} has an overlap of {family['overlap']} degrees, not"
                f" {plan.layout.overlap_deg}; Qserv would join it without a word",
            )
    catalog = server.catalog(plan.database)
    if catalog is not None and catalog["is_published"] and not _is_past(handoff, Stage.RECONCILED):
        raise QservUnfit.for_reason(
            plan.database, "It is published already, and not by this handoff; rows cannot be added"
        )
    told["database"] = "absent" if catalog is None else "present"
    return told


def prepare_inputs(
    handoff: Handoff,
    backbone: Backbone,
    overlay: Overlay,
    tables: set[str],
    *,
    dry_run: bool = False,
) -> list[tuple[InputRow, str]]:
    """Find, re-read and judge what is handed over; give each file and its path.

    Nothing but footers and numbers is looked at of the files; with ``dry_run`` nothing is recorded.

    Raises
    ------
    CatalogUnfit
        With all that is wrong in any file.
    """
    endpoint = handoff.row.endpoint
    found = list(find_inputs(backbone, endpoint, overlay))
    store = backbone.store(endpoint)
    ready, problems = [], []
    for each in verify_inputs(backbone, endpoint, found, tables):
        path = handoff.workshop.fetch(store, each.stored_name, each.digest.sha256)
        problems += handoff.workshop.judge(handoff.plan, each.row, path)
        ready.append((each.row, path))
    if problems:
        raise CatalogUnfit.for_problems(handoff.name, problems)
    if not dry_run:
        handoff.records.begin(handoff.row)
        handoff.records.note_inputs(handoff.name, [row for row, _ in ready])
    return ready


def order_inputs(
    handoff: Handoff, inputs: Iterable[InputRow]
) -> tuple[list[InputRow], list[InputRow]]:
    """Part the inputs into those that are staged first (directors) and those that need them."""
    first: list[InputRow] = []
    then: list[InputRow] = []
    for each in inputs:
        kind = handoff.plan.table(each.table).rule.kind
        (first if kind in (TableKind.DIRECTOR, TableKind.REGULAR) else then).append(each)
    return first, then


def stage_inputs(handoff: Handoff, inputs: Sequence[InputRow], paths: Mapping[str, str]) -> None:
    """Judge and stage inputs; ``paths`` gives the file of each digest."""
    for each in inputs:
        staged = handoff.workshop.stage(handoff.plan, each, paths[each.sha256])
        handoff.records.note_inputs(handoff.name, [staged])
        log.info(
            "action=stage table=%s file=%s rows=%d overlap=%d quarantined=%d elsewhere=%d twice=%d",
            staged.table, staged.name, staged.kept, staged.overlap, staged.quarantined,
            staged.elsewhere, staged.twice,
        )  # fmt: skip


def file_chunks(handoff: Handoff) -> int:
    """Write each table's chunk files, compare their rows with the inputs', and cut the batches.

    Returns
    -------
    int
        Number of files.

    Raises
    ------
    CatalogUnfit
        If a key comes twice, or rows were lost on the way.
    """
    batches: dict[int, list[ChunkFile]] = defaultdict(list)
    inputs = handoff.records.inputs(handoff.name)
    for name in sorted({each.table for each in inputs}):
        table = handoff.plan.table(name)
        handoff.workshop.check_unique(table)
        files = [
            file
            for bucket in handoff.workshop.buckets(table)
            for file in handoff.workshop.reduce(table, bucket)
        ]
        _check_rows(table, files, [each for each in inputs if each.table == name])
        for batch, some in cut_batches(files, table.rule.transactions).items():
            batches[batch] += some
    handoff.records.note_files(handoff.name, batches)
    handoff.records.advance(handoff.name, Stage.PARTITIONED)
    return sum(map(len, batches.values()))


def cut_batches(files: Sequence[ChunkFile], most: int) -> dict[int, list[ChunkFile]]:
    """Cut files into batches of about the same bytes; a chunk's files stay together."""
    chunks: dict[int, list[ChunkFile]] = defaultdict(list)
    for file in sorted(files, key=lambda each: each.key):
        chunks[file.chunk].append(file)
    total = sum(file.size_bytes for file in files) or 1
    batches: dict[int, list[ChunkFile]] = defaultdict(list)
    done = 0
    for some in chunks.values():
        batches[min(most - 1, done * most // total)] += some
        done += sum(file.size_bytes for file in some)
    return dict(batches)


def register_catalog(handoff: Handoff) -> None:
    """Register database and tables; those that are there must be as they would be made.

    Raises
    ------
    QservUnfit
        If a table is there with other columns: it is never altered.
    """
    server, plan = handoff.server, handoff.plan
    catalog = server.catalog(plan.database)
    if catalog is None:
        server.register_database(plan)
        catalog = server.catalog(plan.database) or {}
    server.register_authority(plan.database)
    there = {each["name"]: each for each in catalog.get("tables", ())}
    wanted = {name for name, _ in handoff.records.batches(handoff.name)}
    order = (TableKind.DIRECTOR, TableKind.CHILD, TableKind.REF_MATCH, TableKind.REGULAR)
    for table in sorted(plan.tables, key=lambda each: order.index(each.rule.kind)):
        if table.name not in wanted:
            continue
        request = handoff.workshop.table_request(plan, table)
        if table.name not in there:
            server.register_table(request)
            continue
        columns = [
            (each["name"], each["type"])
            for each in there[table.name]["columns"]
            if each["name"] != "qserv_trans_id"
        ]
        if columns != [(each["name"], each["type"]) for each in request["schema"]]:
            raise QservUnfit.for_reason(
                f"{plan.database}.{table.name}", "It is there with other columns than the plan's"
            )
    handoff.records.advance(handoff.name, Stage.REGISTERED)


def reconcile_rows(handoff: Handoff) -> list[Check]:
    """Compare the rows of each transaction and chunk with those that Qserv counts itself.

    Raises
    ------
    LoadRefused
        If they differ anywhere: nothing is published.
    """
    server, records, name = handoff.server, handoff.records, handoff.name
    committed = {
        (each.table, each.batch): each.transaction
        for each in records.attempts(name)
        if each.state == "committed"
    }
    missing = [key for key in records.batches(name) if key not in committed]
    if missing:
        raise LoadRefused.for_difference(
            name, f"{len(missing)} batches are not committed: {missing[:3]}"
        )
    checks = []
    for table in sorted({table for table, _ in committed}):
        expected: dict[tuple[int, int, bool], int] = defaultdict(int)
        for (of, batch), transaction in committed.items():
            if of == table:
                for file in records.files(name, table, batch):
                    expected[transaction, file.chunk, file.is_overlap] += file.rows
        server.count_rows(handoff.plan.database, table)
        found = {
            key: rows
            for key, rows in server.row_counters(handoff.plan.database, table).items()
            if rows
        }
        for key in sorted(expected.keys() | found.keys()):
            number, chunk, is_overlap = key
            wanted, observed = expected.get(key, 0), found.get(key, 0)
            subject = f"transaction {number} chunk {chunk}{' overlap' if is_overlap else ''}"
            checks.append(
                Check(table, "rows", subject, str(wanted), str(observed), wanted == observed)
            )
    return _note(handoff, checks, Stage.LOADED, Stage.RECONCILED)


def publish_catalog(handoff: Handoff) -> None:
    """Publish; who lost the answer finds it published.

    Raises
    ------
    LoadRefused
        If it is not reconciled.
    QservUnavailable
        If it is refused while an earlier request, whose answer was lost, may be at work: look later.
    """
    if not _is_past(handoff, Stage.RECONCILED):
        raise LoadRefused.for_difference(handoff.name, "Its rows are not reconciled")
    database, records = handoff.plan.database, handoff.records
    catalog = handoff.server.catalog(database)
    if catalog is None:
        raise QservUnfit.for_reason(database, "Qserv does not have it any more")
    if not catalog["is_published"]:
        is_at_work = records.is_publication_open(handoff.name)
        records.ask_publication(handoff.name)
        try:
            handoff.server.publish(database)
        except QservRefused as error:
            if not is_published(handoff):
                if is_at_work:
                    raise QservUnavailable.for_cause(
                        f"publishing {database}", "an earlier request may still be at work"
                    ) from error
                records.answer_publication(handoff.name)
                raise
    records.answer_publication(handoff.name)
    records.advance(handoff.name, Stage.PUBLISHED)


def is_published(handoff: Handoff) -> bool:
    """Ask whether Qserv shows the database."""
    catalog = handoff.server.catalog(handoff.plan.database)
    return catalog is not None and bool(catalog["is_published"])


def index_catalog(handoff: Handoff) -> None:
    """Build the directors' indexes and those of declared columns, then let row counters be used."""
    for table in _tables(handoff):
        if table.rule.kind is TableKind.DIRECTOR:
            handoff.server.build_director_index(handoff.plan.database, table.name)
        for column in table.rule.indexes:
            handoff.server.build_index(handoff.plan.database, table.name, column)
        handoff.server.deploy_row_counters(handoff.plan.database, table.name)


def verify_published(handoff: Handoff) -> list[Check]:
    """Compare by SQL: rows, and of a choice of columns nulls, least, most and sum; of text its length.

    Raises
    ------
    LoadRefused
        If something differs.
    """
    if handoff.czar is None:
        raise QservUnfit.for_reason(handoff.name, "No address for SQL is set")
    checks: list[Check] = []
    rows: dict[str, int] = defaultdict(int)
    for each in handoff.records.inputs(handoff.name):
        rows[each.table] += each.kept - each.twice  # Qserv shows a match once
    for table in _tables(handoff):
        wanted = handoff.workshop.statistics(table)
        texts = {column.name for column in table.columns if column.max_bytes}
        number, found = handoff.czar.statistics(
            handoff.plan.database, table.name, sorted(wanted), texts
        )
        checks.append(
            Check(
                table.name,
                "sql",
                "rows",
                str(rows[table.name]),
                str(number),
                rows[table.name] == number,
            )
        )
        for column in sorted(wanted):
            checks += _compare(table.name, column, wanted[column], found[column])
    return _note(handoff, checks, Stage.PUBLISHED, Stage.VERIFIED)


def describe_rollback(handoff: Handoff) -> str:
    """Say what a rollback would delete; empty if nothing is there."""
    catalog = handoff.server.catalog(handoff.plan.database)
    row = handoff.records.find(handoff.row.release, handoff.row.endpoint)
    if catalog is None and (row is None or row.stage is Stage.ROLLED_BACK):
        return ""
    is_seen = catalog is not None and catalog["is_published"]
    rows = sum(each.kept for each in handoff.records.inputs(handoff.name))
    return (
        f"database {handoff.plan.database} ({'published' if is_seen else 'not published'}),"
        f" {rows:,} rows, stage {row.stage if row else 'unknown'}"
    )


def roll_back(handoff: Handoff) -> None:
    """Delete the database with all its rows, and forget files and checks; the history stays."""
    if handoff.server.catalog(handoff.plan.database) is not None:
        handoff.server.delete_database(handoff.plan.database)
    for attempt in handoff.records.attempts(handoff.name):
        if attempt.state in ("intended", "started"):
            handoff.records.note_attempt(
                handoff.name,
                type(attempt)(
                    attempt.table, attempt.batch, attempt.number, attempt.transaction, "aborted"
                ),
            )
    handoff.workshop.clear()
    handoff.records.forget(handoff.name)
    handoff.records.advance(handoff.name, Stage.ROLLED_BACK)


def _tables(handoff: Handoff) -> list[TablePlan]:
    names = {name for name, _ in handoff.records.batches(handoff.name)}
    return [table for table in handoff.plan.tables if table.name in names]


def _is_past(handoff: Handoff, stage: Stage) -> bool:
    row = handoff.records.find(handoff.row.release, handoff.row.endpoint)
    order = list(Stage)
    return (
        row is not None
        and row.stage is not Stage.ROLLED_BACK
        and order.index(row.stage) >= order.index(stage)
    )


def _check_rows(table: TablePlan, files: Sequence[ChunkFile], inputs: Sequence[InputRow]) -> None:
    for is_overlap, wanted in (
        (False, sum(i.kept for i in inputs)),
        (True, sum(i.overlap for i in inputs)),
    ):
        found = sum(file.rows for file in files if file.is_overlap is is_overlap)
        if found != wanted:
            kind = "overlap rows" if is_overlap else "rows"
            raise CatalogUnfit.for_problems(
                table.name, [f"{found} {kind} are in chunk files, {wanted} were staged"]
            )
    unstaged = [each.name for each in inputs if not each.is_staged]
    if unstaged:
        raise CatalogUnfit.for_problems(
            table.name, [f"{len(unstaged)} inputs are not staged: {unstaged[0]}"]
        )
    for each in inputs:
        kept = each.kept - each.twice
        if each.rows != kept + each.quarantined:
            told = f"of {each.rows} rows {kept} are kept, {each.quarantined} put aside"
            raise CatalogUnfit.for_problems(table.name, [f"{each.name}: {told}"])


def _compare(
    table: str, column: str, wanted: ColumnStatistics, found: ColumnStatistics
) -> list[Check]:
    checks = [
        Check(
            table,
            "sql",
            f"{column} nulls",
            str(wanted.nulls),
            str(found.nulls),
            wanted.nulls == found.nulls,
        )
    ]
    for what in ("least", "most", "total"):
        one, other = getattr(wanted, what), getattr(found, what)
        scale = max(abs(wanted.least or 0.0), abs(wanted.most or 0.0), abs(one or 0.0))
        is_right = one == other or (
            one is not None and other is not None and abs(one - other) <= 1e-9 * max(scale, 1e-300)
        )
        checks.append(Check(table, "sql", f"{column} {what}", repr(one), repr(other), is_right))
    return checks


def _note(handoff: Handoff, checks: list[Check], *stages: Stage) -> list[Check]:
    handoff.records.note_checks(handoff.name, checks)
    wrong = [check for check in checks if not check.is_right]
    if wrong:
        first = wrong[0]
        raise LoadRefused.for_difference(
            f"{handoff.name} {first.table}",
            f"{len(wrong)} of {len(checks)} comparisons differ, first {first.subject}:"
            f" {first.expected} expected, {first.observed} found",
        )
    for stage in stages:
        handoff.records.advance(handoff.name, stage)
    return checks

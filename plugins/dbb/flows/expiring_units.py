"""Units of the ledger as what expires: at the archive and its receivers, where Rucio has the files."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dbb.errors import BrokenContract, Damaged, DbbError
from dbb.flows.backbone import Backbone
from dbb.flows.cargo import Cargo, dataset_did, manifest_did, read_document, stored_name
from dbb.flows.expiry_views import NEXT, RESTED, Candidate, ExpiryRows, Wish
from dbb.flows.wanting import traits_of
from dbb.model.day_obs import DayObs
from dbb.model.delivery import State
from dbb.model.expiry import Expiry, ExpiryState, Item, Rule
from dbb.model.kind import Kind
from dbb.model.manifest import Manifest
from dbb.model.parcel import Parcel, ParcelName
from dbb.ports.catalog import RuleWish
from dbb.ports.ledger import UnitRow

log = logging.getLogger(__name__)

ACTIVITY = "Nightly"


@dataclass
class UnitsPlace:
    """Be an endpoint with a storage element: its items are the ledger's units.

    Parameters
    ----------
    backbone, rows
        The ports.
    endpoint
        Its name.
    """

    backbone: Backbone
    rows: ExpiryRows
    endpoint: str
    are_units: bool = True
    _seen: dict[str, Candidate] = field(default_factory=dict)

    # -- looking -------------------------------------------------------------------------------

    def items(self, rules: Sequence[Rule], as_of: dt.datetime) -> list[Item]:
        """List the units whose time may be over; what is being worked on is left out."""
        if not rules:
            return []
        youngest = min(rule.lifetime for rule in rules)
        last_day = DayObs.at(as_of - youngest).value
        kinds = {rule.kind for rule in rules}
        archived = {kind for kind in kinds if kind.is_archived}
        found = self.rows.candidates(self.endpoint, archived, {State.PUBLISHED}, last_day)
        found += [
            each
            for each in self.rows.candidates(self.endpoint, kinds - archived, {*NEXT}, last_day)
            if each.state is State.PUBLISHED or each.since_at <= as_of - RESTED
        ]
        self._seen = {each.row.unit: each for each in found}
        items = [self._item(each, rules) for each in found]
        return [item if _is_chosen(item, rules) else self._of_policy(item) for item in items]

    def _item(self, found: Candidate, rules: Sequence[Rule]) -> Item:
        row = found.row
        kind = Kind(row.kind)
        types: frozenset[str] = frozenset()
        runs: frozenset[str] = frozenset()
        if any(rule.looks_inside and rule.kind is kind for rule in rules):
            document = self._document(row)
            refs = [] if document is None else _refs(document)
            types = frozenset(str(ref["dataset_type"]) for ref in refs)
            runs = frozenset(str(ref["run"]) for ref in refs)
        return Item(
            row.unit, row.unit, kind, row.instrument, row.day_obs, found.ingested_at,
            row.size_bytes, row.files, types, runs,
        )  # fmt: skip

    def _of_policy(self, item: Item) -> Item:
        """Name the policy that wants an item here, which may be one that has an end."""
        row = self._seen[item.name].row
        try:
            traits = traits_of(self.backbone, [row])[row.unit]
        except Damaged as error:
            log.warning("action=expire unit=%s reason=%s", row.unit, error)
            return item
        for policy in self.backbone.policies.wanted(traits):
            if policy.receiver == self.endpoint and policy.keep_days:
                return Item(
                    item.name, item.unit, item.kind, item.instrument, item.day_obs,
                    item.ingested_at, item.size_bytes, item.files, item.dataset_types,
                    item.collections, policy.name,
                )  # fmt: skip
        return item

    def used(self) -> dict[Kind, tuple[int, int]]:
        """Count what the endpoint holds, by kind."""
        return self.rows.used(self.endpoint, {*NEXT} - {State.EXPECTED, State.MISSING})

    def held(self, items: Sequence[Item], rule: Rule) -> dict[str, str]:
        """Say what a TAGGED or CALIBRATION collection holds; and what has no readable manifest."""
        held: dict[str, str] = {}
        documents = []
        for item in items:
            document = self._document(self._seen[item.name].row)
            if document is None:
                held[item.name] = "its manifest cannot be read anywhere"
            else:
                documents.append(document)
        if rule.spare_tagged and documents:
            members = self.backbone.repository(self.endpoint).memberships(documents)
            held |= {unit: f"it is in {min(names)}" for unit, names in members.items()}
        return held

    def wish(self, item: Item, rule: Rule) -> Wish:
        """Say what must hold for a unit to go."""
        state = self._seen[item.name].state
        over_at = rule.over_at(item)
        return Wish(item.name, (item.unit,), item.day_obs, item.size_bytes, over_at, state)

    # -- acting --------------------------------------------------------------------------------

    def carry_out(self, intended: Sequence[Expiry]) -> None:
        """Take units out of Butler's registry, then end the rules that want them, then see them gone."""
        work = self._still_released(intended)
        self._withdraw(work)
        self._end_rules(work)
        self._see_gone(work)

    def _still_released(self, intended: Sequence[Expiry]) -> list[Expiry]:
        """Leave out what is wanted here again: a person or a policy sent it meanwhile."""
        deliveries = self.backbone.ledger.deliveries([each.subject for each in intended])
        work = []
        for each in intended:
            delivery = deliveries.get((each.subject, self.endpoint))
            if delivery is not None and delivery.is_expired:
                work.append(each)
            else:
                self.rows.step(self.endpoint, [each.subject], each.state, ExpiryState.VOID)
                log.warning(
                    "action=expire unit=%s endpoint=%s reason=it is wanted again",
                    each.subject, self.endpoint,
                )  # fmt: skip
        return work

    def _withdraw(self, work: list[Expiry]) -> None:
        mine = [each.subject for each in work if each.state is ExpiryState.INTENDED]
        if not mine:
            return
        documents: dict[str, Manifest | Parcel] = {}
        for unit, row in self.backbone.ledger.units(mine).items():
            document = self._document(row)
            if document is not None:
                documents[unit] = document
        units = sorted(documents)
        self.backbone.repository(self.endpoint).withdraw([documents[unit] for unit in units])
        self._step(work, units, ExpiryState.INTENDED, ExpiryState.WITHDRAWN)

    def _end_rules(self, work: list[Expiry]) -> None:
        """End the rules that want units here; where there is none, make one for a moment and end it.

        Only the end of a rule lets Rucio's reaper have the files: at the archive they lie without one.
        """
        mine = [each.subject for each in work if each.state is ExpiryState.WITHDRAWN]
        if not mine:
            return
        catalog, rse = self.backbone.catalog, self.backbone.rses[self.endpoint]
        known = self.backbone.ledger.units(mine)
        datasets = {unit: dataset_did(row) for unit, row in known.items()}
        locks = catalog.locks(list(datasets.values()))
        rules = {
            unit: locks[did][rse].rule_id for unit, did in datasets.items() if rse in locks[did]
        }
        bare = [unit for unit in datasets if unit not in rules]
        manifests = {unit: manifest_did(known[unit]) for unit in bare}
        there = catalog.replicas(list(manifests.values()))
        loose = [unit for unit in bare if rse in there[manifests[unit]]]
        if loose:
            wish = RuleWish(rse, ACTIVITY, source_rse=rse)  # from here: it can bring nothing back
            made = catalog.ensure_rules([datasets[unit] for unit in loose], wish)
            rules |= {unit: made[datasets[unit]] for unit in loose}
        catalog.drop_rules([rules[unit] for unit in sorted(rules)])
        self.backbone.ledger.set_rules(dict.fromkeys(mine), self.endpoint)
        self._step(work, mine, ExpiryState.WITHDRAWN, ExpiryState.ENDED)

    def _see_gone(self, work: list[Expiry]) -> None:
        mine = [each.subject for each in work if each.state is ExpiryState.ENDED]
        known = self.backbone.ledger.units(mine)
        gone = [unit for unit in mine if unit in known and not self._has_files(known[unit])]
        self._step(work, gone, ExpiryState.ENDED, ExpiryState.GONE)

    def _has_files(self, row: UnitRow) -> bool:
        store = self.backbone.store(self.endpoint)
        if store.stat(stored_name(manifest_did(row))) is not None:
            return True
        if row.kind != Kind.RAW:
            name = ParcelName.parse(row.unit)
            return any(True for _ in store.list_files(f"{name.kind.scope}/{name.folder}/"))
        document = self._document(row)
        names = () if document is None else Cargo(row, document).contents
        return any(store.stat(stored_name(file.did)) is not None for file in names)

    def _step(
        self, work: list[Expiry], units: Sequence[str], old: ExpiryState, new: ExpiryState
    ) -> None:
        """Record a step, and go on with what took it."""
        self.rows.step(self.endpoint, units, old, new)
        for number, each in enumerate(work):
            if each.subject in set(units):
                work[number] = Expiry(
                    each.endpoint, each.subject, each.day_obs, each.rule, each.size_bytes, new,
                    each.intended_at, each.since_at,
                )  # fmt: skip

    def _document(self, row: UnitRow) -> Manifest | Parcel | None:
        """Read a unit's manifest here, or wherever it can be read."""
        places = (self.endpoint, self.backbone.policy.archive, *self._others(row))
        for place in dict.fromkeys(places):
            try:
                return read_document(self.backbone, row, place)
            except (Damaged, BrokenContract) as error:
                _tell(row, place, error)
        return None

    def _others(self, row: UnitRow) -> list[str]:
        known: Mapping[tuple[str, str], object] = self.backbone.ledger.deliveries([row.unit])
        source = self.backbone.policy.source
        return sorted(place for _, place in known if place != source)


def _is_chosen(item: Item, rules: Sequence[Rule]) -> bool:
    """Say whether no policy need be asked: a rule of the document selects the item, or none could."""
    return not any(rule.of_policy and rule.kind is item.kind for rule in rules) or any(
        rule.selects(item) for rule in rules
    )


def _refs(document: Manifest | Parcel) -> list[Mapping[str, object]]:
    if isinstance(document, Manifest):
        return [entry.ref for entry in document.images if entry.ref is not None]
    return [ref for file in document.files for ref in file.refs]


def _tell(row: UnitRow, place: str, error: DbbError) -> None:
    log.info("action=read-manifest unit=%s endpoint=%s reason=%s", row.unit, place, error.code)

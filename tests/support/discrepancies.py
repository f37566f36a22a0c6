"""The reconciler's cases, each headed discrepancy / explanation / evidence / action.

The table drives the tests, and ``docs/reference/reconcile.md`` is written from it::

    PYTHONPATH=plugins:tests python -m support.discrepancies > docs/reference/reconcile.md
"""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from dbb.flows.arrivals import receive_arrivals
from dbb.flows.backbone import Backbone
from dbb.flows.cargo import stored_name
from dbb.flows.copies import look_for_copies
from dbb.flows.gating import apply_gate, find_ungated
from dbb.flows.landing import land_units
from dbb.flows.manifests import read_manifest
from dbb.flows.publishing import publish_units
from dbb.flows.registration import register_units
from dbb.model.exposure import Unit
from dbb.model.finding import Aspect, Discrepancy, Remedy
from dbb.model.manifest import Manifest
from dbb.model.names import Did, SafeName
from dbb.ports import LandedBundle, RuleWish
from support.fake_catalog import _Dataset
from support.fake_nights import UNSTORED
from support.fake_store import MemoryStore
from support.tiny_camera import DETECTORS, image_name, take_exposure, unit_name
from support.world import NIGHT, World

Plant = Callable[[World, str], str]
"""Do damage to a unit; name the subject of the finding."""


@dataclass(frozen=True)
class Case:
    """Describe one kind of discrepancy, and how a test makes it.

    Parameters
    ----------
    discrepancy, endpoint
        What is found, and where.
    title
        What differs, in a sentence.
    explanation
        How it can come about.
    evidence
        What the finding holds.
    plant
        Makes it.
    stage
        How far the unit is when that is done; ``DONE`` is published everywhere and released.
    """

    discrepancy: Discrepancy
    endpoint: str
    title: str
    explanation: str
    evidence: str
    plant: Plant
    stage: str = "done"

    def __str__(self) -> str:
        return f"{self.discrepancy} at {self.endpoint}"


# -- what tests do to a unit -----------------------------------------------------------------------


def bundle(unit: str) -> Did:
    return Did("raw", Unit.parse(unit).bundle_name)


def manifest(unit: str) -> Did:
    return Did("raw", Unit.parse(unit).manifest_name)


def dataset(unit: str) -> Did:
    return Did("raw", Unit.parse(unit).rucio_dataset)


def document(world: World, unit: str) -> Manifest:
    return read_manifest(world.backbone(), world.ledger.units([unit])[unit])


def image_keys(world: World, unit: str) -> list[str]:
    return [entry.ref["id"] for entry in document(world, unit).images if entry.ref]


def _delete(name: str, endpoint: str) -> Plant:
    def plant(world: World, unit: str) -> str:
        did = bundle(unit) if name == "bundle" else manifest(unit)
        world.stores[endpoint].delete([stored_name(did)])
        return unit

    return plant


def _cut(world: World, unit: str) -> str:
    name = stored_name(bundle(unit))
    world.stores["frdf"].put(name, world.stores["frdf"].data(name)[:-7])
    return unit


def _copy_where_unwanted(world: World, unit: str) -> str:
    name = stored_name(bundle(unit))
    world.stores["ukdf"].put(name, world.stores["usdf"].data(name))
    return unit


def _stray_file(world: World, unit: str) -> str:
    name = f"raw/{Unit.parse(unit).folder}/core.4711"
    world.stores["frdf"].put(name, b"nobody's")
    return name


def _stray_at_source(world: World, unit: str) -> str:
    name = f"LSSTCam/{NIGHT}/lost+found/{unit.rpartition('/')[2]}.fits"
    world.summit.put(name, b"nobody's")
    return name


def _empty_source(world: World, unit: str) -> str:
    store: MemoryStore = world.summit
    folder = f"{Unit.parse(unit).folder}/"
    store.delete([name for name in store.names if name.startswith(folder)])
    return unit


def _bring_back_to_source(world: World, unit: str) -> str:
    detector = DETECTORS[0]
    world.summit.put(image_name(unit, detector), b"as it was")
    return unit


def _forget_dataset(world: World, unit: str) -> str:
    del world.catalog.datasets[dataset(unit)]
    return unit


def _stray_dataset(world: World, unit: str) -> str:
    did = Did("raw", SafeName(f"{Unit.parse(unit).rucio_dataset}-again"))
    world.catalog.datasets[did] = _Dataset()
    return str(did)


def _forget_replica(endpoint: str) -> Plant:
    def plant(world: World, unit: str) -> str:
        world.catalog.files[bundle(unit)].rses.discard(world.backbone().rses[endpoint])
        return unit

    return plant


def _stray_replica(world: World, unit: str) -> str:
    world.catalog.files[manifest(unit)].rses.add("UKDF")
    return unit


def _forget_rule(world: World, unit: str) -> str:
    world.catalog.remove_rule(world.catalog.locks([dataset(unit)])[dataset(unit)]["FRDF"].rule_id)
    return unit


def _stray_rule(world: World, unit: str) -> str:
    world.catalog.ensure_rules([dataset(unit)], RuleWish("UKDF", "Nightly"))
    return unit


def _widen_policy(world: World, unit: str) -> str:
    world.sky.touched[str(Unit.parse(unit).obs_id)] = frozenset({"uk"})
    return unit


def _bring_unseen(world: World, unit: str) -> str:
    world.catalog.run_daemons()
    return unit


def _drop_dataset(world: World, unit: str) -> str:
    del world.repositories["frdf"].datasets[image_keys(world, unit)[0]]
    return unit


def _move_dataset(world: World, unit: str) -> str:
    key = image_keys(world, unit)[0]
    world.repositories["frdf"].datasets[key] = _other_file(world, unit, "frdf")
    return unit


def _other_file(world: World, unit: str, endpoint: str) -> str:
    name = stored_name(bundle(unit)).replace(".zip", ".9.zip")
    return f"{world.stores[endpoint].url_of(name)}#image.fits"


def _unstore_dataset(world: World, unit: str) -> str:
    datasets = world.repositories["frdf"].datasets
    key = image_keys(world, unit)[0]
    datasets[key] = UNSTORED + datasets[key]
    return unit


def _serve_unpublished(world: World, unit: str) -> str:
    url = world.stores["ukdf"].url_of(stored_name(bundle(unit)))
    world.repositories["ukdf"].datasets[image_keys(world, unit)[0]] = f"{url}#image.fits"
    return unit


def _serve_stranger(world: World, unit: str) -> str:
    url = _other_file(world, unit, "frdf")
    world.repositories["frdf"].datasets[str(uuid.uuid5(uuid.NAMESPACE_URL, url))] = url
    return url.partition("#")[0]


def _ingest_untold(world: World, unit: str) -> str:
    url = world.stores["usdf"].url_of(stored_name(bundle(unit)))
    world.repositories["usdf"].ingest([LandedBundle(document(world, unit), url)])
    return unit


def _spoil_manifests(world: World, unit: str) -> str:
    name = stored_name(manifest(unit))
    for endpoint in ("usdf", "frdf"):
        data = world.stores[endpoint].data(name)
        world.stores[endpoint].put(name, data[::-1])
    return unit


def _drop_dataset_and_spoil_manifests(world: World, unit: str) -> str:
    _drop_dataset(world, unit)
    return _spoil_manifests(world, unit)


# -- how far a unit is -----------------------------------------------------------------------------


def bring(world: World, numbers: range, stage: str = "done") -> list[str]:
    """Take exposures and bring them as far as a stage."""
    for number in numbers:
        take_exposure(world.summit, number)
    world.settle()
    units = [unit_name(number) for number in numbers]
    backbone = world.backbone()
    receive_arrivals(backbone, NIGHT)
    for name, step in _STAGES.items():
        step(world, backbone, units)
        if name == stage:
            break
    return units


def _registered(world: World, backbone: Backbone, units: list[str]) -> None:
    land_units(backbone, units)
    apply_gate(backbone, [row.unit for row, _ in find_ungated(backbone, units)], {})
    register_units(backbone, units)
    world.catalog._match_subscriptions()


def _archived(_world: World, backbone: Backbone, units: list[str]) -> None:
    publish_units(backbone, units, "usdf")


def _published(world: World, backbone: Backbone, _units: list[str]) -> None:
    for endpoint in world.policy.receivers:
        world.catalog.run_daemons()
        publish_units(backbone, look_for_copies(backbone, endpoint).work, endpoint)


def _done(_world: World, backbone: Backbone, units: list[str]) -> None:
    from dbb.flows.releasing import read_again, release_units

    read_again(backbone, units)
    release_units(backbone, units)


_STAGES = {
    "registered": _registered,
    "archived": _archived,
    "published": _published,
    "done": _done,
}

_D = Discrepancy
CASES = (
    Case(
        _D.FILE_GONE,
        "frdf",
        "The ledger says published, and the bundle is not in the store.",
        "A disk was lost, or somebody deleted it by hand.",
        "names of the files that are gone",
        _delete("bundle", "frdf"),
    ),
    Case(
        _D.FILE_GONE,
        "usdf",
        "The ledger says published, and the manifest is not in the archive's store.",
        "As above; the archive's copies are Rucio's source for all others.",
        "names of the files that are gone",
        _delete("manifest", "usdf"),
    ),
    Case(
        _D.FILE_SIZE,
        "frdf",
        "The bundle in the store has another size than its manifest says.",
        "A write was cut short, or the file was replaced behind everybody's back. Bytes of the right "
        "size are not read here: `dbb verify` reads them.",
        "names, sizes found and wanted",
        _cut,
    ),
    Case(
        _D.FILE_UNWANTED,
        "ukdf",
        "A bundle lies at an endpoint where the ledger has no delivery, or released it.",
        "It was copied by hand, or Rucio did not delete what no rule wants.",
        "names, and what the ledger says",
        _copy_where_unwanted,
    ),
    Case(
        _D.FILE_DARK,
        "frdf",
        "A file in a night's folder is named by no unit.",
        "A tool of somebody's left it, or a unit was lost from the ledger.",
        "bytes, time of the last change",
        _stray_file,
    ),
    Case(
        _D.FILE_DARK,
        "summit",
        "A file in the source's folder of a night belongs to no exposure of the ledger.",
        "The night's runs have not looked since it came.",
        "bytes, time of the last change",
        _stray_at_source,
    ),
    Case(
        _D.SOURCE_GONE,
        "summit",
        "The source's files are gone, and fewer copies are published than must be before.",
        "The buffer was cleared by hand.",
        "names, and the endpoints where the exposure is published",
        _empty_source,
        stage="archived",
    ),
    Case(
        _D.SOURCE_LEFT,
        "summit",
        "The source is released, and files of the bundle lie there.",
        "They were sent again after the last run, or a deletion failed.",
        "names and number",
        _bring_back_to_source,
    ),
    Case(
        _D.RELEASE_UNTOLD,
        "summit",
        "The source's files are gone with enough copies published, and the ledger has not released "
        "them.",
        "A release was killed between deleting and saying so, and has not run again.",
        "names, and the endpoints where the exposure is published",
        _empty_source,
        stage="published",
    ),
    Case(
        _D.DATASET_UNKNOWN,
        "usdf",
        "The archive says registered or published, and Rucio does not know the Rucio dataset.",
        "Rucio's database was restored from a copy, or the dataset was erased.",
        "its name",
        _forget_dataset,
    ),
    Case(
        _D.DATASET_DARK,
        "usdf",
        "Rucio has a Rucio dataset in the night's folder that no unit names.",
        "Another tool made it, or the ledger was restored from a copy.",
        "—",
        _stray_dataset,
    ),
    Case(
        _D.REPLICA_LACKING,
        "frdf",
        "The ledger has the unit here, and Rucio has no available replica of one of its files.",
        "It was declared bad or deleted in Rucio alone.",
        "RSE, names",
        _forget_replica("frdf"),
    ),
    Case(
        _D.REPLICA_LACKING,
        "usdf",
        "The archive has the unit, and Rucio has no available replica of one of its files there.",
        "As above; other endpoints then have no source.",
        "RSE, names",
        _forget_replica("usdf"),
    ),
    Case(
        _D.REPLICA_UNWANTED,
        "ukdf",
        "Rucio has a replica where the ledger has no delivery, and no rule wants it.",
        "Somebody registered it; Rucio's reaper keeps what has no tombstone.",
        "RSE, names",
        _stray_replica,
    ),
    Case(
        _D.RULE_LACKING,
        "frdf",
        "A policy wants the unit here, the ledger has a delivery, and no rule holds it.",
        "The rule was deleted or has expired: Rucio will take the copy away.",
        "what the ledger says",
        _forget_rule,
    ),
    Case(
        _D.RULE_UNWANTED,
        "ukdf",
        "A rule wants a copy where the ledger has no delivery, or released it.",
        "Somebody made it by hand, or a subscription is wider than its policy.",
        "RSE, identifier of the rule",
        _stray_rule,
    ),
    Case(
        _D.DELIVERY_LACKING,
        "ukdf",
        "A policy wants the unit here, and the ledger has no delivery.",
        "The policies changed after it was registered; `dbb policy plan` shows all such at once.",
        "name of the policy",
        _widen_policy,
    ),
    Case(
        _D.COPY_UNTOLD,
        "frdf",
        "Rucio's rule is satisfied and the files have their sizes, and the ledger still waits.",
        "The event was lost and the endpoint's DAG does not run.",
        "what the ledger says, identifier of the rule",
        _bring_unseen,
        stage="archived",
    ),
    Case(
        _D.BUTLER_LACKS,
        "frdf",
        "The unit is published, and Butler's registry lacks datasets of it.",
        "They were pruned, or the registry was restored from a copy.",
        "identifiers, how many of how many",
        _drop_dataset,
    ),
    Case(
        _D.BUTLER_ELSEWHERE,
        "frdf",
        "Butler serves datasets of the unit from another file than its bundle.",
        "They were ingested by hand, or from a store that has moved.",
        "URLs",
        _move_dataset,
    ),
    Case(
        _D.BUTLER_UNSTORED,
        "frdf",
        "Butler's registry has datasets of the unit, and its datastore has not.",
        "They were unstored without being purged.",
        "identifiers, how many of how many",
        _unstore_dataset,
    ),
    Case(
        _D.BUTLER_UNPUBLISHED,
        "ukdf",
        "Butler serves datasets of a unit that is not published here.",
        "They were ingested by hand, or the copy is suspect and still served.",
        "what the ledger says",
        _serve_unpublished,
    ),
    Case(
        _D.BUTLER_DARK,
        "frdf",
        "Butler serves datasets that no unit's manifest names.",
        "They were ingested by hand into the run collection of raw images.",
        "identifiers",
        _serve_stranger,
    ),
    Case(
        _D.PUBLICATION_UNTOLD,
        "usdf",
        "Butler serves the unit whole, and the ledger says registered.",
        "A publication was killed between Butler and the ledger, and has not run again.",
        "—",
        _ingest_untold,
        stage="registered",
    ),
    Case(
        _D.MANIFEST_UNREADABLE,
        "frdf",
        "Butler differs from the unit's fingerprint, and its manifest is damaged here and at the "
        "archive.",
        "Both copies have rotted; sizes alone do not tell.",
        "—",
        _drop_dataset_and_spoil_manifests,
    ),
)

_ACTIONS = {
    Remedy.FETCH: "`repair` reads the copy and those elsewhere, takes bad ones out of use and declares them to "
    "Rucio, which brings them anew from a verified one. With no good copy anywhere the datasets leave Butler, "
    "and the unit is reported as lost, by name.",
    Remedy.REGISTER: "`repair` reads the copy; if it is right, its files are registered at this RSE again.",
    Remedy.ASK: "`repair` opens the delivery and makes the rule that the policy means.",
    Remedy.END_RULE: "`repair` ends the rule if enough copies are published elsewhere; Rucio deletes its copy.",
    Remedy.TAKE_AWAY: "If enough copies are published elsewhere, `repair` has Rucio delete the replica; files that "
    "Rucio does not know of are set aside, each with a row in quarantine.",
    Remedy.QUARANTINE: "`repair` moves the file to `quarantine/` of its store, with a row; a person looks.",
    Remedy.INGEST: "`repair` reads the copy; if it is right, what Butler has of the unit is withdrawn and ingested "
    "from the unit's own file.",
    Remedy.WITHDRAW: "`repair` takes the datasets out of Butler; files stay.",
    Remedy.DELIVER: "`repair` publishes it, as the endpoint's DAG would have.",
    Remedy.RELEASE: "`repair` looks at the night's arrivals again: what was archived is released, other bytes are "
    "set aside.",
    Remedy.PERSON: "A person decides; `dbb repair plan` names it.",
}

_HEAD = """# What a reconciliation finds

`dbb audit` and the DAG `reconcile` compare four records of every past night: the stores, Rucio, the Butler
repositories and the ledger. They **report and never act**: the DAG `repair` acts, on what is confirmed and still seen
([why so](../adr/0014-repair-acts-on-what-three-scans-saw.md)). What one scan sees is *suspected*; a second one, at
least ten minutes later, makes it *confirmed*; the first that no longer sees it makes it *closed*. What moved
between the ledger's two readings, or within 15 minutes before the first, is not judged. Tonight is never compared.
Sizes are compared here, bytes are not: `dbb verify` reads them. Objects of the Large File Annex lie under their own
names and are asked for one by one, so that one that no parcel names is not seen; the cache near the telescope has
datasets of its own and takes no part. Findings of policy `rules-hold` come from the DAG `consdb_check`: [the rules](consdb.md).

Each finding names the policy by which one record is right, and one reason. Table `finding` keeps them
([ledger](ledger.md)). This page is written from the cases that the tests plant, `tests/support/discrepancies.py`.

| policy | which record is right |
|---|---|
| `ledger-is-right` | what the ledger says is here must be here; what it says is gone must be gone |
| `manifest-is-right` | the manifest says what the bytes and the datasets are |
| `everything-has-a-unit` | what no unit names is nobody's: it is kept until a person has looked |
| `policies-are-right` | what the policy document wants somewhere is to be there, by a rule |
| `the-bytes-are-right` | a copy that came and is whole counts, whatever no event told |
| `rules-hold` | the consistency rules of the Consolidated Database hold for every exposure of a past night |
"""


def render() -> str:
    """Write the reference page."""
    parts = [_HEAD]
    for discrepancy in Discrepancy:
        if discrepancy.aspect is Aspect.CONSDB:
            continue
        cases = [case for case in CASES if case.discrepancy is discrepancy]
        parts.append(
            f"\n## `{discrepancy}`\n\nThe {discrepancy.aspect}, by `{discrepancy.truth}`: "
            f"{discrepancy.reason}.\n"
        )
        parts += [
            (
                f"\n- **Discrepancy** ({case.endpoint}): {case.title}\n"
                f"- **Explanation**: {case.explanation}\n"
                f"- **Evidence**: {case.evidence}.\n"
                f"- **Action** (`{discrepancy.remedy}`): {_ACTIONS[discrepancy.remedy]}\n"
            )
            for case in cases
        ]
    return "".join(parts)


if __name__ == "__main__":
    sys.stdout.write(render())

"""Write the page of what a reconciliation finds, from the cases that the tests plant.

It is written anew by::

    PYTHONPATH=plugins:tests python -m support.reconcile_page > docs/reference/reconcile.md
"""

from __future__ import annotations

import sys

from dbb.model.finding import Aspect, Discrepancy, Remedy
from support.discrepancies import CASES

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

`dbb audit` and the DAGs `reconcile_<endpoint>` compare four records of every past night: the stores, Rucio, the Butler
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

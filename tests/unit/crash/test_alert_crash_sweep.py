"""Kill the archive of alert packets before and after every operation of every port; look; run again.

The sweep is run on the flow as it is, then on ones with a planted bug: it must turn red.
"""

import pytest

from dbb.errors import MissingCopy
from dbb.flows import alert_archiving, alert_sealing
from dbb.flows.alert_archiving import take_again, take_stream
from dbb.flows.alert_counting import count_night, take_reports
from dbb.flows.alert_sealing import find_alert, seal_shards
from dbb.hooks.alerts.rows import SqlAlertRows
from dbb.hooks.alerts.shards import ZstdShardWriter
from dbb.model.delivery import State
from support.alerts import FIRST, MJD, NIGHT, MemoryStream, make_alerts, packet
from support.faults import Killed, every_crash
from support.world import World

PACKETS = [packet(number) for number in range(2)]
LATE = packet(7, mjd=MJD - 1)
CONFLICT = packet(1, flux=5.0)
UNKNOWN = packet(8, schema_id=7)


def new_world():
    world, stream = World(), MemoryStream()
    stream.send(*PACKETS, partition=0)
    stream.send(LATE, UNKNOWN, PACKETS[0], b"garbage", CONFLICT, partition=1)
    stream.tell(NIGHT, 3)
    return world, stream


def run(world, stream, schedule=None):
    alerts = make_alerts(world, stream, schedule)
    take_stream(alerts, shard_bytes=1)
    take_again(alerts)
    seal_shards(alerts)
    take_reports(alerts)


def look(world, stream):
    """Look as a reader does, at any moment: what is found is right, what counts as taken is somewhere."""
    alerts, wrong = make_alerts(world, stream), []
    for night in {NIGHT.value, NIGHT.value - 1}:
        for shard in alerts.rows.shards(type(NIGHT)(night)):
            for alert_id in alerts.shards.ids(shard):
                _, _, data = find_alert(alerts, int(alert_id))
                if data not in (*PACKETS, LATE):
                    wrong.append(f"alert {alert_id} has other bytes")
    return wrong


def check_end(world, stream):
    alerts, wrong = make_alerts(world, stream), look(world, stream)
    shards = [each for day in (20261120, 20261121) for each in alerts.rows.shards(type(NIGHT)(day))]
    found = sorted(int(each) - FIRST for shard in shards for each in alerts.shards.ids(shard))
    if found != [0, 1, 7]:
        wrong.append(f"archived are {found}")
    kept = sorted(
        (item.code, world.stores["usdf"].data(item.kept_as)) for item in world.ledger.refusals()
    )
    if kept != [
        ("alert-schema-unknown", UNKNOWN),
        ("alert-unreadable", b"garbage"),
        ("conflicting-duplicate", CONFLICT),
    ]:
        wrong.append(f"in quarantine are {[code for code, _ in kept]}")
    wrong += [
        f"{each.unit} is not on its way"
        for each in shards
        if world.state(each.unit, "usdf") is not State.VERIFIED
    ]
    count = count_night(alerts, NIGHT)
    account = count.account
    told = (account.issued, account.messages, account.duplicates, account.conflicts)
    if (*told, count.archived, count.held) != (3, 6, 1, 1, 2, 3):
        wrong.append(f"the counts are {told}, {count}")
    return wrong


def sweep():
    for schedule in every_crash(lambda schedule: run(*new_world(), schedule)):
        world, stream = new_world()
        with pytest.raises(Killed):
            run(world, stream, schedule)
        for store in world.stores.values():
            store.crash()
        wrong = look(world, stream)
        run(world, stream)
        wrong += check_end(world, stream)
        if wrong:
            return [f"{schedule}: {fault}" for fault in wrong]
    return []


def test_killed_anywhere_nothing_is_lost_and_nothing_is_there_twice():
    assert sweep() == []


def test_the_sweep_is_red_where_the_stream_counts_as_taken_too_early(monkeypatch):
    end = alert_archiving.Taking.end

    def early(self, steps):
        self._alerts.rows.commit([], steps, [])
        return end(self, [])

    monkeypatch.setattr(alert_archiving.Taking, "end", early)
    assert sweep() != []


def test_the_sweep_is_red_where_shards_count_before_the_stream_is_taken(monkeypatch):
    commit = SqlAlertRows.commit

    def torn(self, shards, steps, accounts):
        """Record in two transactions what must be one."""
        commit(self, shards, [], accounts)
        if not SqlAlertRows.was_torn:
            SqlAlertRows.was_torn = True
            raise Killed("between the two")
        commit(self, [], steps, [])

    monkeypatch.setattr(SqlAlertRows, "commit", torn)
    monkeypatch.setattr(SqlAlertRows, "was_torn", False, raising=False)
    world, stream = new_world()
    with pytest.raises(Killed):
        run(world, stream)
    run(world, stream)
    assert check_end(world, stream) != []


def test_the_sweep_is_red_where_what_is_held_back_is_forgotten(monkeypatch):
    monkeypatch.setattr(alert_archiving.Taking, "_settle", lambda _: None)
    assert sweep() != []


def test_the_sweep_is_red_where_the_bytes_of_a_shard_are_lost(monkeypatch):
    finish = ZstdShardWriter.finish

    def forget(self, schemas):
        shard = finish(self, schemas)
        self._store.delete([f"files/{shard.packets}"])
        return shard

    monkeypatch.setattr(ZstdShardWriter, "finish", forget)
    with pytest.raises(MissingCopy):
        sweep()


def test_the_sweep_is_red_where_a_parcel_counts_as_sealed_too_early(monkeypatch):
    monkeypatch.setattr(alert_sealing, "arrive", lambda *_: None)
    assert sweep() != []

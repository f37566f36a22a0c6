"""Wherever the handoff is killed: every row is there once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import uuid
from collections import Counter

import pymysql
import pytest

from dbb.hooks.engine import open_engine
from dbb.hooks.sql import migrate

pytestmark = pytest.mark.qserv

DEATHS = (
    "begin after", "note_inputs after", "stage within", "stage within", "stage after", "stage before",
    "check_unique within", "reduce within", "reduce within", "reduce after", "note_files before",
    "note_files after", "register_table within", "intend after", "start before", "start within",
    "start after", "submit before", "submit within", "submit after", "note_loaded after", "end before",
    "end within", "end after", "note_attempt before", "count_rows within", "publish before",
    "publish within", "build_director_index before", "deploy_row_counters before",
)  # fmt: skip
"""Calls of the handoff in its order: cutting, writing, loading, the answer to a commit, publishing."""


@pytest.mark.timeout(1200)  # thirty processes, one after the other
@pytest.mark.usefixtures("only_here")
def test_killed_at_random_every_row_is_there_once(contract, tmp_path, request):
    """Kill the process before, within or after a call, and start it again, until it comes through.

    Which of the calls of a name it is, and how far it came in it, is left to chance; the last kills befall any call.
    """
    engine = open_engine(f"sqlite:///{tmp_path}/ledger.db")
    migrate(engine)
    login = contract.czar()
    order = {
        "folder": str(tmp_path),
        "ledger": f"sqlite:///{tmp_path}/ledger.db",
        "url": contract.url(),
        "key": contract.auth_key,
        "czar": {name: login[name] for name in ("host", "port", "user", "password")},
        "database": f"t{uuid.uuid4().hex[:8]}",
        "rows": 100,
    }
    chance = random.Random(1)  # noqa: S311 - the same deaths each time
    root = request.config.rootpath
    path = os.pathsep.join(str(root / each) for each in ("plugins", "include", "tests"))
    kills = 0
    while True:
        call, how = DEATHS[kills].split() if kills < len(DEATHS) else ("*", "within")
        most = {"*": 150, "stage": 4, "reduce": 3, "submit": 3}.get(call, 1)
        order |= {"call": call, "how": how, "nth": chance.randint(1, most)}
        order["delay_s"] = chance.uniform(0, 0.05)
        (tmp_path / "order.json").write_text(json.dumps(order))
        done = subprocess.run(
            [sys.executable, "-m", "support.qserv_mortal", str(tmp_path / "order.json")],
            check=False, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        kills += 1
        assert kills < 60
    died = (tmp_path / "deaths.log").read_text().splitlines()
    assert tuple(died[: len(DEATHS)]) == DEATHS
    with pymysql.connect(**login) as connection, connection.cursor() as cursor:
        for table, times in (("Object", 1), ("ForcedSource", 3)):
            cursor.execute(f"select objectId from `{order['database']}`.`{table}`")  # noqa: S608
            assert Counter(row[0] for row in cursor.fetchall()) == Counter(
                dict.fromkeys(range(100), times)
            )
    engine.dispose()

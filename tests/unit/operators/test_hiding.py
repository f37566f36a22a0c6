"""What Airflow itself writes of a task has no secret of the environment either."""

import logging
import warnings
from types import SimpleNamespace

import pytest

from dbb import secrecy
from dbb.operators import task_defaults
from dbb.operators.hiding import (
    ConcealingRenderer,
    hide_from_airflow,
    hide_in_own_lines,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from airflow.sdk.log import mask_logs, mask_secret


@pytest.fixture(autouse=True)
def own_masker(monkeypatch):
    """Leave to other tests what Airflow hides in theirs."""
    from airflow.sdk._shared.secrets_masker import SecretsMasker

    masker = SecretsMasker()
    monkeypatch.setattr("airflow.sdk.log._secrets_masker", lambda: masker)
    monkeypatch.setattr(
        "airflow.sdk._shared.secrets_masker.secrets_masker._secrets_masker", lambda: masker
    )


def written(event):
    return str(mask_logs(None, "error", event))


def test_an_error_with_its_causes_is_written_without_secrets():
    trace = {"event": "Task failed", "error_detail": [{"exc_value": "x", "exc_notes": [], "frames": []},
             {"exc_value": "cannot connect to postgresql://dbb:p%2Fw-of-the-ledger@db with p/w-of-the-ledger"}]}  # fmt: skip
    secrecy.remember_environment({"DBB_LEDGER_URL": "postgresql://dbb:p%2Fw-of-the-ledger@db/dbb"})
    assert "w-of-the-ledger" in written(trace)
    hide_from_airflow()
    assert "w-of-the-ledger" not in written(trace)
    assert "cannot connect" in written(trace)


def test_every_task_begins_with_it(monkeypatch):
    order = []
    monkeypatch.setattr(task_defaults, "hide_from_airflow", lambda: order.append("hide"))
    monkeypatch.setattr(task_defaults, "refuse_unknown_keys", lambda _: order.append("refuse"))
    begin = task_defaults.task_defaults(priority=20, retries=1)["pre_execute"]
    begin({"task": SimpleNamespace(priority_weight=20)})
    assert order == ["hide", "refuse"]


def test_a_finished_line_is_looked_at_whatever_object_it_was_made_of():
    secrecy.remember("pass-of-rucio")
    event = {"event": "Sending request", "msg": object()}
    as_text = ConcealingRenderer(lambda *_: "request MaskSecret(value='pass-of-rucio')")
    assert as_text(None, "debug", event) == "request MaskSecret(value='***')"
    as_bytes = ConcealingRenderer(lambda *_: b"\xff pass-of-rucio")
    assert as_bytes(None, "debug", event) == b"\xff ***"
    mask_secret("known-to-airflow-only")
    assert ConcealingRenderer(lambda *_: "a known-to-airflow-only")(None, "debug", event) == "a ***"


def test_airflow_calls_it_when_its_logging_is_set_up():
    import airflow.settings
    import structlog

    kept = structlog.get_config()["processors"]
    try:
        airflow.settings.configure_action_logging()
        hide_in_own_lines()  # again is no-op
        *_, last = structlog.get_config()["processors"]
        assert isinstance(last, ConcealingRenderer)
        assert last._render is kept[-1] or last is kept[-1]
    finally:
        structlog.configure(processors=kept)


def test_every_process_of_airflow_guards_its_logs(monkeypatch):
    import importlib

    import airflow_local_settings

    factory = logging.getLogRecordFactory()
    monkeypatch.setenv("DBB_RUCIO_PASSWORD", "pass-of-rucio")
    try:
        importlib.reload(airflow_local_settings)
        record = logging.getLogger("any").makeRecord(
            "any", 10, "f", 1, "with %s", ("pass-of-rucio",), None
        )
        assert record.getMessage() == "with ***"
        assert "pass-of-rucio" not in written({"event": "pass-of-rucio"})
    finally:
        logging.setLogRecordFactory(factory)

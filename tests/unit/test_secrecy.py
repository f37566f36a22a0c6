"""What is secret is known by its place in the environment, and told in no spelling."""

import io
import logging

import pytest

from dbb import secrecy
from dbb.errors import EfdUnavailable, StoreUnavailable
from dbb.secrecy import conceal, guard_logs, remember, secrets_of

SECRET = "p/w+of rucio"  # noqa: S105 - that is what it is for


@pytest.fixture
def log():
    """Give a logger as a library has one, and the text that its handler writes."""
    factory = logging.getLogRecordFactory()
    guard_logs({"DBB_RUCIO_PASSWORD": SECRET})
    guard_logs({"DBB_RUCIO_PASSWORD": SECRET})  # again is no-op
    logger, text = logging.getLogger("some.library"), io.StringIO()
    handler = logging.StreamHandler(text)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield logger, text
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)
    logging.setLogRecordFactory(factory)


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("DBB_EFD_PASSWORD", "abcdefgh", {"abcdefgh"}),
        ("DBB_EFD_PASSWORD", "ab://cd:ef@gh", {"ab://cd:ef@gh", "ef"}),
        ("DBB_LEDGER_URL", "postgresql://dbb:a%2Fb@host/dbb?sslpassword=cd", {"a%2Fb", "a/b", "cd"}),
        ("BROKER", "rediss://:abc@redis:6380/0", {"abc"}),
        ("DBB_ALARM_WEBHOOK", "https://h/services/T0/B0/x", {"/services/T0/B0/x", "x"}),
        ("DBB_ALARM_WEBHOOK", "https://h/hook?key=x", {"/hook?key=x", "hook", "x"}),
        ("AIRFLOW_CONN_A", "aws://id:ab@/?aws_session_token=cd&region_name=ef", {"ab", "cd"}),
        ("AIRFLOW_CONN_A", '{"login": "id", "password": "ab", "extra": "{\\"aws_session_token\\": \\"cd\\"}"}', {"ab", "cd"}),
        ("AIRFLOW_CONN_A", '{"conn_type": ', set()),
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", '{"token": "ab", "url": "http://u:cd@h"}', {"ab", "cd"}),
        ("AIRFLOW__SECRETS__BACKEND", "a.b.Backend", set()),
        ("AIRFLOW__CORE__FERNET_KEY_CMD", "cat key", set()),
        ("DBB_AIRFLOW_SECRETS_DIR", "/etc/dbb", set()),
        ("DBB_EXPORT_KEY", "/etc/dbb/key", set()),
        ("DBB_RUCIO_HOST", "https://rucio.example.org", set()),
        ("DBB_RUCIO_PASSWORD", "", set()),
    ],
)  # fmt: skip
def test_a_secret_is_known_by_its_place(name, value, found):
    assert set(secrets_of({name: value}).get(name, ())) == found


def test_every_spelling_is_hidden_and_the_rest_stays():
    remember(SECRET, "p/w+of")  # the shorter one is not hidden: it would be found in other words
    told = "a p/w+of rucio b p%2Fw%2Bof%20rucio c p%2Fw%2Bof+rucio d p/w"
    assert conceal(told) == "a *** b *** c *** d p/w"


def test_of_two_secrets_the_longer_one_goes_first():
    remember("abcdefgh", "abcdefgh-and-more")
    assert conceal("x abcdefgh-and-more y abcdefgh z") == "x *** y *** z"


def test_the_password_of_any_address_is_hidden_though_nobody_knows_it():
    assert conceal("asked https://me:pw@h:1/p?q=1 twice") == "asked https://me:***@h:1/p?q=1 twice"
    assert (
        conceal("redis://:pw@h 's3://name@bucket/k' http://h/a:b@c")
        == "redis://:***@h 's3://name@bucket/k' http://h/a:b@c"
    )
    assert (
        conceal("http://b/f?X-Amz-Date=1&X-Amz-Signature=ab&x=1")
        == "http://b/f?X-Amz-Date=1&X-Amz-Signature=***&x=1"
    )


@pytest.mark.parametrize(
    "told",
    [
        "headers={'X-Amz-Security-Token': b'%s', 'a': 1}",
        '{"X-Amz-Security-Token": "%s"}',
        "x-amz-date:1\nx-amz-security-token:%s\n",
    ],
)
def test_the_token_of_a_key_that_nobody_named_is_hidden(told):
    assert conceal(told % "ab/c+d==") == told % "***"


def test_an_error_tells_no_secret_of_its_message_or_place():
    remember(SECRET)
    error = EfdUnavailable.for_query("http://me:pw@efd", f"refused with {SECRET}")
    assert (
        str(error)
        == f"efd-unavailable: The EFD does not answer well: refused with ***. [http://me:***@efd] Next: {error.next_action}"
    )
    assert SECRET not in repr(error)
    again = StoreUnavailable(*StoreUnavailable.for_store("s3://name@bucket", "x").args)
    assert again.where == "s3://name@bucket"


def test_a_line_of_any_library_is_written_without_it(log):
    logger, text = log
    logger.debug("HTTP header: %s: %s", "X-Password", SECRET)
    logger.debug("nothing of it: %d %%", 5)
    logger.debug("a dictionary: %(a)s", {"a": SECRET})
    logger.debug("wrong " + SECRET + " %s %s", SECRET)  # noqa: G003 - and with arguments that do not fit
    assert text.getvalue().splitlines() == ["HTTP header: X-Password: ***", "nothing of it: 5 %", "a dictionary: ***",
                                            "wrong *** %s %s ('***',)"]  # fmt: skip


def test_a_trace_with_its_causes_is_written_without_it(log):
    logger, text = log
    error = RuntimeError("it failed")
    error.__cause__ = ValueError(f"http://me:other@host {SECRET}")
    logger.error("while it worked", exc_info=error)
    told = text.getvalue()
    assert "ValueError: http://me:***@host ***" in told
    assert "RuntimeError: it failed" in told
    assert told.startswith("while it worked\n")
    assert SECRET in str(error.__cause__)  # the error itself is left as it is


def test_without_the_guard_it_would_be_told(log, monkeypatch):
    logger, text = log
    monkeypatch.setattr(secrecy, "conceal", lambda told: told)
    logger.debug("HTTP header: %s", SECRET)
    assert SECRET in text.getvalue()

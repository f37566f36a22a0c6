"""One retry policy, decided by the error's family."""

import pytest
from airflow.sdk import ExceptionRetryPolicy, RetryAction

from dbb import errors
from dbb.retry import RETRY_POLICY


def leaves(cls):
    below = cls.__subclasses__()
    return [leaf for sub in below for leaf in leaves(sub)] if below else [cls]


def decide(error):
    return RETRY_POLICY.evaluate(error, try_number=1, max_tries=5).action


@pytest.mark.parametrize("kind", leaves(errors.Transient))
def test_a_transient_failure_is_tried_again_after_the_tasks_own_delay(kind):
    decision = RETRY_POLICY.evaluate(kind("it is away"), 1, 5)
    assert decision.action is RetryAction.RETRY
    assert decision.retry_delay is None


@pytest.mark.parametrize(
    "kind",
    [
        leaf
        for family in (
            errors.Damaged,
            errors.BrokenContract,
            errors.OverBudget,
            errors.Misconfigured,
        )
        for leaf in leaves(family)
    ],
)
def test_every_other_error_of_the_project_fails_at_once(kind):
    assert decide(kind("it is wrong")) is RetryAction.FAIL


@pytest.mark.parametrize("error", [ConnectionError(), TimeoutError(), KeyError("x")])
def test_what_the_project_does_not_know_is_retried_as_airflow_does(error):
    assert decide(error) is RetryAction.DEFAULT


def test_every_family_has_a_rule():
    families = {
        cls for cls in errors.DbbError.__subclasses__() if cls.__module__ == "dbb.errors.base"
    }
    ruled = {rule.exception for rule in RETRY_POLICY.rules}
    assert families == ruled


def test_the_policy_survives_the_trip_through_airflows_database():
    again = ExceptionRetryPolicy.deserialize(RETRY_POLICY.serialize())
    assert again.evaluate(errors.StoreUnavailable("x"), 1, 5).action is RetryAction.RETRY
    assert again.evaluate(errors.BadManifest("x"), 1, 5).action is RetryAction.FAIL

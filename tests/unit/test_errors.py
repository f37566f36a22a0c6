"""The error tree: five families, stable codes, survives the trip between processes."""

import inspect
import pickle

import pytest

from dbb import errors

ALL = [
    cls
    for _, cls in inspect.getmembers(errors, inspect.isclass)
    if issubclass(cls, errors.DbbError)
    and cls not in {errors.DbbError, *errors.DbbError.__subclasses__()}
]


def test_there_are_five_families():
    names = {family.__name__ for family in errors.DbbError.__subclasses__()}
    assert names == {"Transient", "Damaged", "BrokenContract", "OverBudget", "Misconfigured"}


def test_every_code_is_its_own_and_drawn_in_the_tree():
    codes = [cls.code for cls in ALL]
    assert len(set(codes)) == len(codes)
    assert "dbb-error" not in codes
    for cls in ALL:
        assert f"{cls.__name__} " in errors.__doc__
        assert cls.code in errors.__doc__


@pytest.mark.parametrize("cls", ALL)
def test_an_error_says_what_where_and_what_next_also_after_pickling(cls):
    error = pickle.loads(pickle.dumps(cls("It broke.", "place")))  # noqa: S301
    assert type(error) is cls
    for part in (cls.code, "It broke.", "place", cls.next_action):
        assert part in str(error)


def test_what_comes_next_may_be_known_better_than_the_class_knows_it():
    error = errors.LedgerUnavailable("It broke.", next_action="Mend it.")
    assert pickle.loads(pickle.dumps(error)).next_action == "Mend it."  # noqa: S301
    assert errors.LedgerUnavailable("It broke.").next_action == errors.LedgerUnavailable.next_action

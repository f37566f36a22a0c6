"""Random histories of caches: nothing goes that may not, nothing stays that must go.

The harness is shown to be red with each of several planted bugs.
"""

import datetime as dt

import pytest

from dbb.flows.expiring_units import UnitsPlace
from dbb.hooks.expiry import SqlExpiry
from dbb.model.expiry import Rule
from support.expiry_histories import play_many


def test_in_hundreds_of_histories_nothing_goes_that_may_not_and_all_goes_that_must():
    steps, deleted, wrong = play_many(0, 200)
    assert wrong == []
    assert steps == 200 * 25
    assert deleted > 700


def files_first(self, intended):
    work = self._still_released(intended)
    for each in work:
        self.backbone.store(self.endpoint).delete(
            [
                file.name
                for file in self.backbone.store(self.endpoint).list_files(f"{each.subject}/")
            ]
        )
    self._withdraw(work)
    self._end_rules(work)
    self._see_gone(work)


BUGS = {
    "a pin is overlooked": (SqlExpiry, "_unheld", lambda _s, _c, _e, wishes, _n: list(wishes)),
    "copies elsewhere are not counted": (
        SqlExpiry,
        "_with_copies",
        lambda _s, _c, _e, _r, wishes, _n: list(wishes),
    ),
    "the lifetime is an hour short": (
        Rule,
        "lifetime",
        property(lambda self: dt.timedelta(days=self.lifetime_days, hours=-1)),
    ),
    "the lifetime is two days long": (
        Rule,
        "lifetime",
        property(lambda self: dt.timedelta(days=self.lifetime_days + 2)),
    ),
    "files go before rows": (UnitsPlace, "carry_out", files_first),
    "rules are not ended": (UnitsPlace, "_end_rules", lambda _self, _work: None),
}


@pytest.mark.parametrize("bug", BUGS)
def test_the_harness_is_red_when(bug, monkeypatch):
    place, name, instead = BUGS[bug]
    monkeypatch.setattr(place, name, instead)
    for first in range(0, 200, 20):
        if play_many(first, 20)[2]:
            return
    pytest.fail("nobody noticed")

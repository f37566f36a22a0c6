"""Expiry at endpoints with a storage element: what goes, what stays, and what each step leaves."""

import dataclasses
import datetime as dt
from itertools import pairwise

import pytest

from dbb.errors import PlanRefused, RepositoryUnavailable
from dbb.flows.expiring import (
    apply_expiry,
    find_too_full,
    finish_expiries,
    is_large,
    plan_expiry,
)
from dbb.flows.expiring_units import UnitsPlace
from dbb.flows.policy_plan import plan_policies
from dbb.hooks.expiry import SqlExpiry
from dbb.model.delivery import State
from dbb.model.expiry import By, ExpiryBook, ExpiryState, Rule
from dbb.model.kind import Kind
from dbb.model.policy import Policy, PolicyBook, Selection
from support.expiry_histories import BOOK, LEVEL1, POLICIES, PRODUCTS, publish_parcel
from support.fake_infrastructure import MemoryInfrastructure
from support.faults import Killed, Schedule, every_crash, faulty
from support.world import World

DAY = dt.timedelta(days=1)
DAY_OBS = 20261121
UNIT = f"level1/{DAY_OBS}/visit-1"


def new_world(*units, policies=POLICIES):
    world = World(policies=policies)
    world.catalog.subscriptions = (PolicyBook(), {})
    for kind, name in units or ((Kind.LEVEL1, "visit-1"),):
        publish_parcel(world, kind, DAY_OBS, name)
    return world


@pytest.fixture
def world():
    return new_world()


def rows_of(world):
    return SqlExpiry(world.ledger)


def place_of(world, endpoint="usdf"):
    return UnitsPlace(world.backbone(), rows_of(world), endpoint)


def plan_of(world, endpoint="usdf", book=BOOK):
    return plan_expiry(place_of(world, endpoint), rows_of(world), book, world.clock.now())


def run(world, endpoint="usdf", book=BOOK, **options):
    plan = plan_of(world, endpoint, book)
    return apply_expiry(
        place_of(world, endpoint), rows_of(world), book, world.clock.now(), plan.sha256, **options
    )


def said(plan):
    return [(line.action, line.detail, list(line.names)) for line in plan.lines]


def wait(world, days):
    world.clock.advance(days * 86400)


def files(world, endpoint, unit=UNIT):
    return [name for name in world.stores[endpoint].names if name.startswith(f"{unit}/")]


# -- when ------------------------------------------------------------------------------------------


def test_nothing_goes_a_second_before_its_time_and_all_goes_then(world):
    end = dt.datetime(2026, 11, 22, 11, 59, 23, tzinfo=dt.UTC)  # noon TAI: the night is over
    world.clock.advance((end + 30 * DAY - world.clock.now()).total_seconds() - 1)
    assert said(plan_of(world)) == []
    world.clock.advance(1)
    assert said(plan_of(world)) == [("expire", "rule level1", [UNIT])]
    assert run(world) == {"due": 1, "intended": 1, "under_way": 0}
    assert files(world, "usdf") == []
    assert files(world, "frdf") != []  # each endpoint's own run
    assert run(world, "frdf")["intended"] == 1
    assert files(world, "frdf") == []


def test_registry_first_and_every_step_on_record(world):
    wait(world, 40)
    order = []
    repository, store, ledger = world.repositories["usdf"], world.stores["usdf"], world.ledger
    for owner, name in (
        (repository, "withdraw"), (store, "delete"), (ledger, "advance_within"),
    ):  # fmt: skip
        real = getattr(owner, name)
        setattr(owner, name, lambda *a, _r=real, _n=name: (order.append(_n), _r(*a))[1])
    run(world)
    assert [one for one, other in pairwise([*order, ""]) if one != other] == [
        "advance_within", "withdraw", "delete",
    ]  # fmt: skip
    delivery = world.ledger.deliveries([UNIT])[UNIT, "usdf"]
    assert (delivery.state, delivery.reason, delivery.rule_id) == (
        State.RELEASED, "expired by rule level1", None,
    )  # fmt: skip
    assert rows_of(world).known("usdf", [UNIT])[UNIT].state is ExpiryState.GONE


def test_age_by_ingest_counts_from_the_first_publication_whatever_happened_since():
    world = new_world((Kind.PRODUCT, "coadds"))
    unit = f"products/{DAY_OBS}/coadds"
    wait(world, 9)
    for old, new in (
        (State.PUBLISHED, State.SUSPECT),
        (State.SUSPECT, State.PUBLISHED),
    ):
        world.ledger.advance([unit], "frdf", old, new, "repaired")
    assert said(plan_of(world, "frdf")) == []
    wait(world, 1)
    assert said(plan_of(world, "frdf")) == [("expire", "rule short", [unit])]


def test_a_plan_for_the_future_takes_nothing_before_its_time(world):
    later = world.clock.now() + 40 * DAY
    plan = plan_expiry(place_of(world), rows_of(world), BOOK, later)
    assert plan
    done = apply_expiry(place_of(world), rows_of(world), BOOK, later, plan.sha256)
    assert done == {"due": 1, "intended": 0, "under_way": 0}
    assert files(world, "usdf") != []


def test_what_nobody_archives_goes_in_whatever_state_once_it_has_rested(world):
    wait(world, 40)
    world.ledger.advance([UNIT], "usdf", State.PUBLISHED, State.SUSPECT, "rot")
    assert said(plan_of(world)) == []  # somebody may be repairing it
    wait(world, 1)
    run(world)
    assert files(world, "usdf") == []


# -- copies ----------------------------------------------------------------------------------------


@pytest.fixture
def products():
    world = new_world((Kind.PRODUCT, "coadds"))
    wait(world, 20)
    return world


COADDS = f"products/{DAY_OBS}/coadds"


def test_two_endpoints_never_count_on_each_other(products):
    """Three copies, two of them short-lived, two needed elsewhere: one may go, and then no more."""
    assert run(products, "frdf")["intended"] == 1
    assert said(plan_of(products, "chile")) == [
        ("keep", "fewer than 2 copies elsewhere were read within 60 days", [COADDS])
    ]
    assert products.state(COADDS, "chile") is State.PUBLISHED


def test_a_copy_that_was_not_read_lately_does_not_count(products):
    wait(products, 50)
    assert said(plan_of(products, "frdf"))[0][0] == "keep"
    for place in ("usdf", "chile"):
        products.ledger.note_read([COADDS], place)
    assert said(plan_of(products, "frdf"))[0][0] == "expire"


def test_a_copy_that_is_lost_between_plan_and_intention_holds(products):
    plan = plan_of(products, "frdf")
    rows = rows_of(products)
    real = rows.intend

    def lose_first(*arguments, **options):
        products.ledger.advance([COADDS], "chile", State.PUBLISHED, State.SUSPECT, "rot")
        return real(*arguments, **options)

    rows.intend = lose_first
    done = apply_expiry(place_of(products, "frdf"), rows, BOOK, products.clock.now(), plan.sha256)
    assert (done["due"], done["intended"]) == (1, 0)
    assert products.state(COADDS, "frdf") is State.PUBLISHED


def test_the_archives_copy_of_what_is_archived_is_never_even_looked_at(products):
    book = ExpiryBook((dataclasses.replace(PRODUCTS, endpoints=("frdf",)),))
    assert said(plan_of(products, "usdf", book)) == []


# -- pins and tags ---------------------------------------------------------------------------------


@pytest.mark.parametrize("subject", [UNIT, f"level1/{DAY_OBS}", "level1"])
def test_a_pin_holds_until_it_ends(world, subject):
    until = world.clock.now() + 45 * DAY
    pin, too_late = rows_of(world).pin(subject, "usdf", "precovery", "candidate 7", until)
    assert too_late == []
    wait(world, 40)
    ((action, why, names),) = said(plan_of(world))
    assert (action, names) == ("keep", [UNIT])
    assert why.startswith("pinned by precovery until 2027-01-06")
    assert why.endswith("candidate 7")
    assert said(plan_of(world, "frdf"))[0][0] == "expire"  # held at one endpoint only
    wait(world, 5)
    assert said(plan_of(world))[0][0] == "expire"
    assert rows_of(world).pins() == []
    assert rows_of(world).pins(ended=True) == [pin]


def test_a_pin_of_a_name_that_only_begins_alike_holds_nothing(world):
    rows_of(world).pin(UNIT[:-1], "", "a", "b", world.clock.now() + 90 * DAY)
    wait(world, 40)
    assert said(plan_of(world))[0][0] == "expire"


def test_a_pin_that_comes_between_plan_and_intention_holds(world):
    wait(world, 40)
    plan, rows = plan_of(world), rows_of(world)
    real = rows.intend

    def pin_first(*arguments, **options):
        assert rows.pin(UNIT, "", "precovery", "late", world.clock.now() + DAY)[1] == []
        return real(*arguments, **options)

    rows.intend = pin_first
    done = apply_expiry(place_of(world), rows, BOOK, world.clock.now(), plan.sha256)
    assert done == {"due": 1, "intended": 0, "under_way": 0}
    assert files(world, "usdf") != []


def test_a_pin_that_comes_too_late_is_told_so(world):
    wait(world, 40)
    repository = world.repositories["usdf"]
    real = repository.withdraw

    def down(_documents):
        raise RepositoryUnavailable.for_repository("usdf", "no answer")

    repository.withdraw = down
    with pytest.raises(RepositoryUnavailable):
        run(world)
    _, too_late = rows_of(world).pin(UNIT, "", "precovery", "late", world.clock.now() + DAY)
    assert [(each.subject, each.state) for each in too_late] == [(UNIT, ExpiryState.INTENDED)]
    repository.withdraw = real
    finish_expiries(place_of(world), rows_of(world))
    assert files(world, "usdf") == []


def test_a_tag_spares_where_the_rule_says_so(products):
    dataset = next(iter(products.repositories["frdf"].datasets))
    products.repositories["frdf"].tags["u/me/best"] = {dataset}
    assert said(plan_of(products, "frdf")) == [("keep", "it is in u/me/best", [COADDS])]
    careless = ExpiryBook((dataclasses.replace(PRODUCTS, spare_tagged=False),))
    assert said(plan_of(products, "frdf", careless))[0][0] == "expire"


# -- what a rule selects ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "right", "wrong"),
    [
        ("dataset_types", ("difference_image", "raw"), ("raw",)),
        ("collections", ("LSSTCam/level1",), ("LSSTCam/other",)),
        ("instruments", ("LSSTCam",), ("LATISS",)),
        ("kind", Kind.LEVEL1, Kind.PRODUCT),
    ],
)
def test_a_rule_selects_what_it_says(world, field, right, wrong):
    wait(world, 40)
    for value, number in ((right, 1), (wrong, 0)):
        book = ExpiryBook((dataclasses.replace(LEVEL1, **{field: value}),))
        assert len(plan_of(world, book=book).lines) == number


def test_the_first_rule_that_selects_decides(world):
    wait(world, 40)
    longer = dataclasses.replace(LEVEL1, name="longer", lifetime_days=90, instruments=("LSSTCam",))
    assert said(plan_of(world, book=ExpiryBook((longer, LEVEL1)))) == []


def test_a_policys_end_is_a_rule_of_what_that_policy_sent():
    policies = PolicyBook(
        (
            Policy(
                "short", "frdf", Selection(Kind.PRODUCT, programs=("x",)), ("usdf",), keep_days=5
            ),
            Policy("long", "frdf", Selection(Kind.PRODUCT), ("usdf",)),
        )
    )
    world = new_world((Kind.PRODUCT, "coadds"), policies=policies)
    wait(world, 20)
    rule = Rule("short", ("frdf",), Kind.PRODUCT, 5, By.INGEST, of_policy=True)
    assert said(plan_of(world, "frdf", ExpiryBook((rule,)))) == []  # the other policy sent it
    of_long = dataclasses.replace(policies.policies[1], keep_days=5)
    world.policies = PolicyBook((policies.policies[0], of_long))
    rule = dataclasses.replace(rule, name="long")
    assert said(plan_of(world, "frdf", ExpiryBook((rule,)))) == [("expire", "rule long", [COADDS])]


def test_what_expired_is_not_sent_again(products):
    run(products, "frdf")
    plan = plan_policies(products.backbone(), {}, MemoryInfrastructure(products.catalog))
    assert plan.of("send") == []


# -- watermarks ------------------------------------------------------------------------------------


def full(world, used_percent, high=80, low=40):
    _, size_bytes = place_of(world).used()[Kind.LEVEL1]
    rule = dataclasses.replace(
        LEVEL1,
        capacity_bytes=100 * size_bytes // used_percent,
        high_percent=high,
        low_percent=low,
    )
    return ExpiryBook((rule,))


@pytest.fixture
def many():
    world = World(policies=POLICIES)
    world.catalog.subscriptions = (PolicyBook(), {})
    for number in range(10):
        publish_parcel(world, Kind.LEVEL1, 20261112 + number, f"visit-{number}")
    return world


def test_below_the_high_mark_nothing_goes_and_above_it_the_oldest_until_the_low_one(many):
    wait(many, 60)
    assert said(plan_of(many, book=full(many, 79))) == []
    ((_, _, names),) = said(plan_of(many, book=full(many, 90)))
    assert names == [f"level1/{20261112 + number}/visit-{number}" for number in range(6)]


def test_a_watermark_takes_nothing_young_and_alerts_instead(many):
    wait(many, 27)  # the oldest seven are over their time
    plan = plan_of(many, book=full(many, 300))
    (due,) = plan.of("expire")
    assert due.units < 10
    assert find_too_full(plan)[0][0] == "usdf"
    assert all(int(name.split("/")[1]) <= 20261119 for name in due.names)


# -- plans -----------------------------------------------------------------------------------------


def test_another_plan_is_refused_and_changes_nothing(world):
    wait(world, 40)
    for sha256 in ("0" * 64, plan_of(world).sha256[:8]):
        with pytest.raises(PlanRefused):
            apply_expiry(place_of(world), rows_of(world), BOOK, world.clock.now(), sha256)
    assert files(world, "usdf") != []


def test_much_at_once_waits_for_a_person():
    world = new_world(*((Kind.LEVEL1, f"visit-{number}") for number in range(12)))
    wait(world, 40)
    book = dataclasses.replace(BOOK, approve_above_percent=90)
    assert is_large(place_of(world), book, plan_of(world))
    with pytest.raises(PlanRefused):
        run(world, book=book)
    assert run(world, book=book, accept_large=True)["intended"] == 12
    assert not is_large(place_of(world), BOOK, plan_of(world))


def test_what_is_wanted_again_before_it_was_taken_away_stays(products):
    repository = products.repositories["frdf"]
    real = repository.withdraw
    repository.withdraw = lambda _: (_ for _ in ()).throw(
        RepositoryUnavailable.for_repository("x", "y")
    )
    with pytest.raises(RepositoryUnavailable):
        run(products, "frdf")
    repository.withdraw = real
    products.ledger.advance([COADDS], "frdf", State.RELEASED, State.EXPECTED, "wanted again")
    assert finish_expiries(place_of(products, "frdf"), rows_of(products)) == {"under_way": 0}
    assert files(products, "frdf", COADDS) != []
    known = rows_of(products).known("frdf", [COADDS])
    assert known[COADDS].state is ExpiryState.VOID


def test_a_manifest_that_cannot_be_read_anywhere_holds_its_unit_and_no_other():
    world = new_world((Kind.LEVEL1, "visit-1"), (Kind.LEVEL1, "visit-2"))
    wait(world, 40)
    for place in ("usdf", "frdf"):
        world.stores[place].put(f"{UNIT}/visit-1.parcel.json", b"{}")
    assert said(plan_of(world)) == [
        ("expire", "rule level1", [f"level1/{DAY_OBS}/visit-2"]),
        ("keep", "its manifest cannot be read anywhere", [UNIT]),
    ]


# -- killed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("endpoint", ["usdf", "frdf"])
def test_killed_at_any_operation_the_next_run_is_right(endpoint):
    def sweep(world, schedule):
        rows = faulty(rows_of(world), schedule)
        place = UnitsPlace(world.backbone(schedule), rows, endpoint)
        finish_expiries(place, rows)
        plan = plan_expiry(place, rows, BOOK, world.clock.now())
        apply_expiry(place, rows, BOOK, world.clock.now(), plan.sha256)

    def aged():
        world = new_world((Kind.LEVEL1, "visit-1"), (Kind.LEVEL1, "visit-2"))
        wait(world, 40)
        return world

    kills = 0
    for schedule in every_crash(lambda counting: sweep(aged(), counting)):
        world = aged()
        with pytest.raises(Killed):
            sweep(world, schedule)
        served = {
            place.partition("#")[0] for place in world.repositories[endpoint].datasets.values()
        }
        url = f"{world.stores[endpoint].url}/"
        assert {name.removeprefix(url) for name in served} <= set(world.stores[endpoint].names)
        sweep(world, Schedule())
        assert world.repositories[endpoint].datasets == {}, schedule
        assert world.stores[endpoint].names == [], schedule
        assert rows_of(world).open(endpoint) == []
        events = [e for e in world.ledger.events(UNIT) if e.endpoint == endpoint]
        assert [e.new_state for e in events].count(State.RELEASED) == 1
        kills += 1
    assert kills > 30

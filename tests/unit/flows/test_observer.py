"""A reader who looks all the time sees no row with a missing, short or wrong file, publishing or expiring."""

from dbb.flows.expiring_units import UnitsPlace
from support.observer import Observer, run_campaign


def test_an_observer_sees_no_row_without_its_whole_file(tmp_path):
    campaign, observer = run_campaign(tmp_path, 60, 15, Observer.wait_for_pass)
    assert (campaign.units, campaign.gone) == (60, 60)
    assert observer.seen.wrong == []
    assert observer.seen.rows > 100
    assert [path for path in (tmp_path / "usdf").rglob("*") if path.is_file()] == []
    assert campaign.rows.open("usdf") == []


def test_the_observer_is_red_when_files_go_before_rows(tmp_path, monkeypatch):
    watching = []
    withdraw = UnitsPlace._withdraw

    def files_first(self, work):
        store = self.backbone.store(self.endpoint)
        for each in work:
            store.delete(
                [
                    file.name
                    for file in store.list_files(f"{each.subject}/")
                    if "parcel" not in file.name
                ]
            )
        watching[0].wait_for_pass(2)
        withdraw(self, work)

    monkeypatch.setattr(UnitsPlace, "_withdraw", files_first)

    def between(observer):
        watching[:] = [observer]

    _, observer = run_campaign(tmp_path, 10, 9, between)
    assert any("the file is gone" in why for why in observer.seen.wrong)


def test_the_observer_is_red_when_a_row_comes_before_its_whole_file(tmp_path):
    def truncate(observer):
        for path in (tmp_path / "usdf").rglob("*.json"):
            if "parcel" not in path.name:
                path.write_bytes(path.read_bytes()[:-1])
        observer.wait_for_pass(2)

    _, observer = run_campaign(tmp_path, 5, 4, truncate)
    assert any("bytes instead of" in why for why in observer.seen.wrong)

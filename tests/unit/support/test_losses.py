"""The campaign of losses: nothing is lost in a small one, and each planted bug turns it red."""

from dbb.flows import releasing
from dbb.model.digest import Digest
from support.corruptions import TRUSTING
from support.losses import run_round

PAIR = ("R22_S11", "R22_S12")
SEED = 7


def test_whatever_fails_each_image_is_at_both_endpoints_as_the_camera_wrote_it(tmp_path):
    done = run_round(tmp_path, SEED, 8, PAIR)
    assert done.is_well, (done.lost, done.wrong, done.thin)
    assert (done.images, done.documents) == (16, 24)
    told = " ".join(+done.planted)
    for kind in ("arrives", "process killed", "write", "before it was copied", "later"):
        assert kind in told


def test_the_campaign_is_red_when_bytes_are_believed_by_their_size(tmp_path, monkeypatch):
    monkeypatch.setattr(Digest, "same_bytes", TRUSTING["size"])
    done = run_round(tmp_path, SEED, 8, PAIR)
    assert any("with other bytes" in each for each in done.wrong)


def test_the_campaign_is_red_when_the_source_lets_go_of_what_has_landed(tmp_path, monkeypatch):
    def landed(backbone, units):
        return [row for row in backbone.ledger.units(units).values() if row.manifest_sha256]

    monkeypatch.setattr(releasing, "find_releasable", landed)
    done = run_round(tmp_path, SEED + 1, 8, PAIR)
    assert done.lost

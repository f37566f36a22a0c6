"""Products in one zip that describes itself, or does not."""

import io
import json
import zipfile

import pytest

from support.parcel_sites import FILE, PRODUCT, move


def _broken_zip(made, spoil):
    source = io.BytesIO(made["zip"])
    target = io.BytesIO()
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.namelist():
            data = old.read(member)
            if member.endswith(".json") and b"artifact_map" in data:
                document = json.loads(data)
                spoil(document)
                data = json.dumps(document).encode()
            new.writestr(member, data)
    return target.getvalue()


def test_a_zip_of_several_formatters_is_served(world, made, real):
    from lsst.daf.butler import Butler

    def another(document):
        artifact = next(iter(document["artifact_map"].values()))
        artifact["info"]["formatter"] = "lsst.daf.butler.formatters.yaml.YamlFormatter"

    world.put(PRODUCT, {"batch.zip": _broken_zip(made, another)})
    assert move(world, [PRODUCT]) == {"taken": 1, "refused": 0}
    assert world.codes() == []
    with Butler.from_config(real) as butler:
        found = {
            butler._datastore.getURI(ref).fragment and ref.datasetType.name
            for ref in map(butler.get_dataset, (ref.id for ref in made["refs"]))
        }
    assert found == {"coadd_summary", "survey_config"}


def test_a_zip_that_does_not_describe_itself_is_refused(world, tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a", b"a")
    world.put(PRODUCT, {"x.zip": (tmp_path / "x.zip").read_bytes()})
    assert move(world, [PRODUCT]) == {"taken": 0, "refused": 1}


def _strange_id(document):
    artifact = next(iter(document["artifact_map"].values()))
    artifact["ids"] = ["12345678-1234-1234-1234-123456789012"]


@pytest.mark.parametrize(
    "spoil",
    [
        _strange_id,
        lambda document: document.pop("refs"),
        lambda document: document["artifact_map"].update(other=7),
        lambda document: document["refs"].clear(),
    ],
)
def test_a_zip_with_a_wrong_index_costs_only_its_batch(world, made, spoil):
    other = FILE.replace("weather", "other")
    world.put(PRODUCT, {"batch.zip": _broken_zip(made, spoil)})
    world.put(other, {"log.txt": b"rain"})
    assert move(world, [PRODUCT, other]) == {"taken": 1, "refused": 1}
    assert world.codes(PRODUCT) == ["bad-document"]

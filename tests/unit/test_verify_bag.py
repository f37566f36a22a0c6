"""The offline verifier: no damage goes unseen, alone or in pairs, and nothing good is blamed."""

import io
import json
import random
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from dbb import verify_bag
from dbb.flows.export_bag import write_tar
from dbb.hooks.posix_store import PosixStore
from dbb.verify_bag import NEXT, decode_path, encode_path, main, unsafe, verify
from support.bags import SPOILS, make_bag, make_key, payload

ROUNDS = 6
"""Damages of each kind; `benchmarks/export_campaign.py` does thousands."""


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bags")
    key, _ = make_key(folder)
    make_bag(folder / "bag", key)
    make_bag(folder / "other", key, seed=1)
    return folder


@pytest.fixture
def bag(originals, tmp_path):
    for name in ("bag", "other"):
        shutil.copytree(originals / name, tmp_path / name, symlinks=True)
    return tmp_path / "bag"


@pytest.fixture
def signers(originals):
    return str(originals / "exports.signers")


def undetected(bag, signers, kind, rounds=ROUNDS):
    """Spoil the bag again and again; count what the verifier does not see."""
    good = bag.with_name("good")
    shutil.copytree(bag, good)
    unseen = 0
    for number in range(rounds):
        SPOILS[kind](bag, random.Random(f"{kind} {number}"))  # noqa: S311 - test data
        unseen += verify(str(bag), signers=signers).verdict == "valid"
        shutil.rmtree(bag)
        shutil.copytree(good, bag)
    return unseen


def codes(report):
    return sorted({finding.code for finding in report.findings})


# -- the campaign ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SPOILS)
def test_no_damage_goes_unseen(bag, signers, kind):
    assert verify(str(bag), signers=signers).verdict == "valid"
    assert undetected(bag, signers, kind) == 0


@pytest.mark.parametrize(
    ("kind", "plant"),
    [
        ("one_bit", "_judge_both_ways"),
        ("keeping_crc32", "_judge_both_ways"),
        ("linked", "read_folder"),
        ("forgery", "check_signature"),
        ("signature_of_another", "check_signature"),
    ],
)
def test_a_planted_bug_turns_the_campaign_red(bag, signers, kind, plant, monkeypatch):
    if plant == "check_signature":
        monkeypatch.setattr(verify_bag, plant, lambda *_: "anybody")
    elif plant == "read_folder":
        monkeypatch.setattr(verify_bag, plant, follow_links)
    else:
        monkeypatch.setattr(verify_bag, plant, lambda *_, **__: None)
    assert undetected(bag, signers, kind, 3) == 3


def follow_links(root):
    contents = verify_bag.Contents()
    for path in (path for path in Path(root).rglob("*") if path.is_file()):
        with path.open("rb") as stream:
            contents.take(path.relative_to(root).as_posix(), stream)
    return contents


# -- what it says ----------------------------------------------------------------------------------


def test_faults_that_come_in_pairs_are_each_named(bag, signers):
    """One bit flipped, one file gone, one more come: the counts agree, and nothing hides the rest."""
    changed, gone = payload(bag)[:2]
    data = bytearray(changed.read_bytes())
    data[0] ^= 1
    changed.write_bytes(data)
    (gone.parent / "extra.fits").write_bytes(bytes(gone.stat().st_size))
    gone.unlink()
    report = verify(str(bag), signers=signers)
    assert {(item.code, Path(item.path).name) for item in report.findings} == {
        ("changed-file", changed.name), ("missing-file", gone.name), ("extra-file", "extra.fits"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("0" * 64 + "  data/../../etc/passwd", "unsafe-path"),
        ("0" * 64 + "  /etc/passwd", "unsafe-path"),
        ("0" * 64 + "  data/a//b", "unsafe-path"),
        ("0" * 64 + "  data\\a", "unsafe-path"),
        ("0" * 64 + "  C:/a", "unsafe-path"),
        ("0" * 64 + "  bagit.txt", "unsafe-path"),
        ("0" * 64 + "  data/%41", "bad-line"),
        ("0" * 64 + " data/a", "bad-line"),
        ("f" * 63 + "  data/a", "bad-line"),
        ("nothing", "bad-line"),
    ],
)
def test_a_line_of_a_manifest_that_is_none_is_found(bag, signers, line, code):
    with (bag / "manifest-sha256.txt").open("a") as stream:
        stream.write(line + "\n")
    assert code in codes(verify(str(bag), signers=signers))


def test_a_file_listed_twice_and_names_alike_but_for_case_are_found(bag, signers):
    manifest = bag / "manifest-sha256.txt"
    manifest.write_text(manifest.read_text() + manifest.read_text().splitlines()[-1] + "\n")
    first = payload(bag)[0]
    first.with_name(first.name.upper()).write_bytes(b"")
    found = codes(verify(str(bag), signers=signers))
    assert {"duplicate-entry", "name-collision", "extra-file"} <= set(found)


@pytest.mark.parametrize("path", ["plain", "a%b", "a\rb\nc", "%0A", "é", "100%25"])
def test_names_are_written_as_the_standard_says_and_read_back(path):
    text = encode_path(path)
    assert "\n" not in text
    assert "\r" not in text
    assert decode_path(text) == path
    assert not unsafe(path)


def test_who_made_it_is_never_assumed(bag, signers, tmp_path, monkeypatch):
    assert codes(verify(str(bag))) == ["signature-unchecked"]
    assert verify(str(bag), ask_signature=False).verdict == "intact"
    _, others = make_key(tmp_path, "others")
    assert codes(verify(str(bag), signers=str(others))) == ["bad-signature"]
    with monkeypatch.context() as patch:
        patch.setattr(verify_bag.shutil, "which", lambda _: None)
        report = verify(str(bag), signers=signers)
        assert (report.verdict, codes(report)) == ("not valid", ["signature-unchecked"])
    (bag / "tagmanifest-sha256.txt.sig").unlink()
    assert codes(verify(str(bag), signers=signers)) == ["missing-signature"]


def test_what_is_no_bag_is_said_to_be_none(tmp_path):
    assert codes(verify(str(tmp_path), ask_signature=False)) == ["not-a-bag"]
    (tmp_path / "file").write_text("x")
    assert "not-a-bag" in codes(verify(str(tmp_path), ask_signature=False))


def test_a_tar_with_a_link_or_a_name_that_leaves_it_is_refused(bag, signers, tmp_path):
    place = tmp_path / "bag.tar"
    with place.open("wb") as stream:
        write_tar(PosixStore(bag), "bag", stream)
    assert verify(str(place), signers=signers).verdict == "valid"
    with tarfile.open(place, "a") as archive:
        link = tarfile.TarInfo("bag/data/files/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        out = tarfile.TarInfo("bag/../out")
        out.size = 1
        archive.addfile(out, io.BytesIO(b"x"))
    assert {"not-a-file", "unsafe-path"} <= set(codes(verify(str(place), signers=signers)))


def test_every_code_has_a_next_action_and_a_report_is_json(bag, signers):
    payload(bag)[0].unlink()
    report = verify(str(bag), signers=signers)
    document = json.loads(json.dumps(report.to_json()))
    assert document["schema"] == "dbb-bag-report/1"
    assert {item["next_action"] for item in document["findings"]} <= set(NEXT.values())


# -- the program -----------------------------------------------------------------------------------


def run_alone(bag, *arguments):
    """Run the copy that lies in the bag, as somebody does who has nothing else."""
    command = [sys.executable, "-I", str(bag / "verify_bag.py"), str(bag), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_program_in_the_bag_runs_alone(bag, signers):
    done = run_alone(bag, "--signers", signers)
    assert (done.returncode, done.stderr) == (0, "")
    assert "valid, signed by exports@example.org" in done.stdout
    payload(bag)[0].unlink()
    done = run_alone(bag, "--signers", signers, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["verdict"] == "not valid"
    assert run_alone(bag, "--nonsense").returncode == 2


def test_its_exit_codes_are_those_of_the_manual(bag, signers, capsys):
    assert main([str(bag), "--signers", signers]) == 0
    assert main([str(bag), "--without-signature"]) == 0
    assert "who made it was not checked" in capsys.readouterr().out
    assert main([str(bag)]) == 1
    with pytest.raises(SystemExit) as caught:
        main(["/nowhere"])
    assert caught.value.code == 2


def test_it_needs_the_standard_library_alone():
    words = Path(verify_bag.__file__).read_text().splitlines()
    imported = {
        line.split()[1].split(".")[0] for line in words if line.startswith(("import ", "from "))
    }
    assert imported <= set(sys.stdlib_module_names)

"""The contract of FTS3 that Rucio relies on, and what a copy promises."""

from __future__ import annotations

import json
import os
import threading

import pytest

from sandbox.copy_service.copying import Copier
from sandbox.copy_service.guard import Guard
from sandbox.copy_service.store import JobStore
from sandbox.copy_service.submission import parse_job
from unit.sandbox.running_copy_service import transfer, wait_for

DATA = os.urandom(200_000)


class HeldCopier(Copier):
    """Copy nothing until the test lets go, as a very slow link would."""

    def __init__(self, guard):
        super().__init__(guard)
        self.let_go = threading.Event()
        self.running = 0
        self.most = 0
        self._lock = threading.Lock()

    def copy(self, order, keep_on):
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            while not self.let_go.wait(0.01):
                keep_on()
            super().copy(order, keep_on)
        finally:
            with self._lock:
                self.running -= 1


class FlippingCopier(Copier):
    """Read back one flipped bit, as a failing disk does."""

    def storage(self, url):
        storage = super().storage(url)
        if "/frdf/" not in url:
            return storage

        class Flipping(type(storage)):
            def write(self, url, pieces, *, ticket, check):
                def flipped(stored):
                    for piece in stored:
                        yield bytes([piece[0] ^ 1]) + piece[1:]

                super().write(url, pieces, ticket=ticket, check=lambda s: check(flipped(s)))

        flipping = Flipping.__new__(Flipping)
        flipping.__dict__.update(storage.__dict__)
        return flipping


def files_below(folder):
    return sorted(p.name for p in folder.rglob("*") if p.is_file())


def test_a_file_arrives_with_its_bytes_and_nothing_beside_it(service):
    source = service.put("raw/2026/a.zip", DATA)
    job = service.ended(service.submit(transfer(source, service.at("raw/2026/a.zip"), DATA)))
    assert job["job_state"] == "FINISHED"
    assert (service.folder / "frdf/raw/2026/a.zip").read_bytes() == DATA
    assert files_below(service.folder / "frdf") == ["a.zip"]


def test_a_job_answers_with_every_field_that_the_poller_reads(service):
    source = service.put("a", DATA)
    job_id = service.submit(
        transfer(source, service.at("a"), DATA), job_metadata={"issuer": "rucio"}
    )
    job = service.ended(job_id)
    assert (job["job_id"], job["job_type"], job["http_status"]) == (job_id, "N", "200 Ok")
    assert job["job_metadata"] == {"issuer": "rucio"}
    [file] = job["files"]
    assert file["file_state"] == "FINISHED"
    assert file["source_surl"] == source
    assert file["dest_surl"] == service.at("a")
    assert file["file_metadata"]["request_id"] == "r1"
    assert file["reason"] is None
    assert file["staging_start"] is None
    assert file["staging_finished"] is None
    assert len(file["start_time"]) == len(file["finish_time"]) == len("2026-11-20T12:00:00")


def test_several_jobs_are_asked_for_at_once_and_unknown_ones_are_named(service):
    known = service.submit(transfer(service.put("a", DATA), service.at("a"), DATA))
    status, jobs = service.call("GET", f"/jobs/{known},nobody")
    assert status == 200  # 207 is a success as well
    assert [job["http_status"] for job in jobs] == ["200 Ok", "404 Not Found"]
    status, _ = service.call("GET", "/jobs/nobody")
    assert status == 404


def test_a_missing_source_fails_with_its_name(service):
    job = service.ended(service.submit(transfer(service.at("gone", "usdf"), service.at("gone"))))
    assert job["job_state"] == "FAILED"
    assert "SOURCE MISSING" in job["files"][0]["reason"]
    assert "gone" in job["files"][0]["reason"]


def test_a_corrupt_source_never_reaches_the_destination(service):
    corrupt = bytes([DATA[0] ^ 1]) + DATA[1:]
    source = service.put("a", corrupt)
    job = service.ended(service.submit(transfer(source, service.at("a"), DATA)))
    assert "SOURCE CHECKSUM MISMATCH" in job["files"][0]["reason"]
    assert files_below(service.folder / "frdf") == []


def test_a_truncated_source_never_reaches_the_destination(service):
    source = service.put("a", DATA[:-1])
    job = service.ended(service.submit(transfer(source, service.at("a"), DATA)))
    assert "SOURCE SIZE MISMATCH" in job["files"][0]["reason"]
    assert files_below(service.folder / "frdf") == []


def test_a_copy_that_reads_back_wrong_leaves_the_old_file(make_service, tmp_path):
    for site in ("usdf", "frdf"):
        (tmp_path / site).mkdir()
    guard = Guard.of([(tmp_path / site).as_uri() for site in ("usdf", "frdf")])
    service = make_service(copier=FlippingCopier(guard))
    service.put("a", b"old", site="frdf")
    source = service.put("a", DATA)
    job = service.ended(service.submit(transfer(source, service.at("a"), DATA), overwrite=True))
    assert "DESTINATION CHECKSUM MISMATCH" in job["files"][0]["reason"]
    assert (service.folder / "frdf/a").read_bytes() == b"old"
    assert files_below(service.folder / "frdf") == ["a"]


def test_a_file_that_exists_is_kept_and_described_unless_overwritten(service):
    service.put("a", b"there already", site="frdf")
    source = service.put("a", DATA)
    job = service.ended(service.submit(transfer(source, service.at("a"), DATA)))
    [file] = job["files"]
    assert "Destination file exists and overwrite is not enabled" in file["reason"]
    assert file["file_metadata"]["dst_file"]["file_size"] == len(b"there already")
    job = service.ended(service.submit(transfer(source, service.at("a"), DATA), overwrite=True))
    assert job["job_state"] == "FINISHED"


def test_of_several_sources_the_first_that_works_is_used(service):
    good, spare = service.put("good", DATA), service.put("spare", DATA)
    sources = [service.at("gone", "usdf"), good, spare]
    job = service.ended(
        service.submit(
            transfer(sources, service.at("a"), DATA), job_metadata={"multi_sources": True}
        )
    )
    assert (job["job_type"], job["job_state"]) == ("R", "FINISHED")
    assert [file["file_state"] for file in job["files"]] == ["FAILED", "FINISHED", "NOT_USED"]


def test_a_job_whose_sources_all_fail_has_failed(service):
    sources = [service.at("gone", "usdf"), service.at("gone too", "usdf")]
    job = service.ended(service.submit(transfer(sources, service.at("a"))))
    assert job["job_state"] == "FAILED"
    assert [file["file_state"] for file in job["files"]] == ["FAILED", "FAILED"]


def test_hops_follow_each_other(service):
    first = transfer(service.put("a", DATA), service.at("hop"), DATA)
    second = transfer(service.at("hop"), service.at("end", "usdf"), DATA)
    job = service.ended(service.submit(first, second, multihop=True))
    assert (job["job_type"], job["job_state"]) == ("H", "FINISHED")
    assert (service.folder / "usdf/end").read_bytes() == DATA


def test_hops_after_a_failed_one_are_not_used(service):
    first = transfer(service.at("gone", "usdf"), service.at("hop"))
    second = transfer(service.at("hop"), service.at("end", "usdf"))
    job = service.ended(service.submit(first, second, multihop=True))
    assert job["job_state"] == "FAILED"
    assert [file["file_state"] for file in job["files"]] == ["FAILED", "NOT_USED"]


def test_a_job_of_which_some_files_arrive_is_finished_dirty(service):
    good = transfer(service.put("a", DATA), service.at("a"), DATA)
    bad = transfer(service.at("gone", "usdf"), service.at("gone"))
    assert service.ended(service.submit(good, bad))["job_state"] == "FINISHEDDIRTY"


@pytest.fixture
def held(make_service, tmp_path):
    for site in ("usdf", "frdf"):
        (tmp_path / site).mkdir()
    guard = Guard.of([(tmp_path / site).as_uri() for site in ("usdf", "frdf")])
    service = make_service(copier=HeldCopier(guard))
    yield service
    service.copier.let_go.set()


def test_cancelling_stops_a_copy_under_way_and_what_waits(held):
    files = [transfer(held.put(f"{n}", DATA), held.at(f"{n}"), DATA) for n in range(4)]
    job_id = held.submit(*files)
    wait_for(lambda: held.copier.running, lambda running: running == 2)
    status, job = held.call("DELETE", f"/jobs/{job_id}")
    assert (status, job["job_state"]) == (200, "CANCELED")
    job = wait_for(
        lambda: held.job(job_id),
        lambda job: {f["file_state"] for f in job["files"]} == {"CANCELED"},
    )
    assert files_below(held.folder / "frdf") == []


def test_no_more_files_than_allowed_move_on_one_link(held):
    files = [transfer(held.put(f"{n}", DATA), held.at(f"{n}"), DATA) for n in range(6)]
    job_id = held.submit(*files)
    wait_for(lambda: held.copier.running, lambda running: running == 2)
    held.copier.let_go.set()
    assert held.ended(job_id)["job_state"] == "FINISHED"
    assert held.copier.most == 2


def test_the_higher_priority_goes_first_and_can_be_changed(held):
    blockers = [transfer(held.put(f"b{n}", DATA), held.at(f"b{n}"), DATA) for n in range(2)]
    held.submit(*blockers)
    wait_for(lambda: held.copier.running, lambda running: running == 2)
    early = held.submit(transfer(held.put("e", DATA), held.at("e"), DATA), priority=2)
    late = held.submit(transfer(held.put("l", DATA), held.at("l"), DATA), priority=1)
    status, job = held.call("POST", f"/jobs/{late}", {"params": {"priority": 5}})
    assert (status, job["priority"]) == (200, 5)
    taken = held.store.take([])
    assert taken.job_id == late
    held.store.put_back(taken)
    held.copier.let_go.set()
    held.ended(early)


def test_a_restart_in_mid_copy_loses_nothing(make_service, tmp_path):
    for site in ("usdf", "frdf"):
        (tmp_path / site).mkdir()
    (tmp_path / "usdf/a").write_bytes(DATA)
    source, destination = ((tmp_path / site / "a").as_uri() for site in ("usdf", "frdf"))
    body = {"files": [transfer(source, destination, DATA)], "params": {"verify_checksum": "both"}}
    guard = Guard.of([(tmp_path / site).as_uri() for site in ("usdf", "frdf")])
    job = parse_job(json.dumps(body).encode(), guard)
    # What SIGKILL leaves: a row that says a copy is under way, and half of a file.
    before = JobStore(tmp_path / "jobs.sqlite")
    before.add(job)
    order = before.take([])
    part = tmp_path / "frdf" / f".dbb-{order.file_id}-{order.job_id}.part"
    part.write_bytes(DATA[:100])
    before.close()
    after = make_service()
    assert after.ended(job.job_id)["job_state"] == "FINISHED"
    assert (tmp_path / "frdf/a").read_bytes() == DATA
    assert files_below(tmp_path / "frdf") == ["a"]


def test_ending_the_service_puts_copies_back_into_the_queue(held):
    job_id = held.submit(transfer(held.put("a", DATA), held.at("a"), DATA))
    wait_for(lambda: held.copier.running, lambda running: running == 1)
    held.workers.end()
    assert held.job(job_id)["files"][0]["file_state"] == "SUBMITTED"


@pytest.mark.parametrize(
    ("source", "destination"),
    [
        ("file:///etc/passwd", "frdf:a"),
        ("usdf:a", "file:///etc/cron.d/a"),
        ("usdf:../../../../../../etc/passwd", "frdf:a"),
        ("usdf:%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "frdf:a"),
        ("file://elsewhere.example/usdf/a", "frdf:a"),
        ("root://host//a", "frdf:a"),
        ("s3s://host/bucket/a", "frdf:a"),
        ("usdf:", "frdf:a"),
    ],
)
def test_places_outside_the_prefixes_are_refused(service, source, destination):
    def url(text):
        site, _, name = text.partition(":")
        return f"{(service.folder / site).as_uri()}/{name}" if site in ("usdf", "frdf") else text

    body = {"files": [transfer(url(source), url(destination))], "params": {}}
    status, _ = service.call("POST", "/jobs", body)
    assert status in (400, 403)
    assert files_below(service.folder / "frdf") == []


def test_a_symbolic_link_does_not_lead_out_of_a_store(service):
    secret = service.folder / "secret"
    secret.write_bytes(DATA)
    (service.folder / "usdf/link").symlink_to(secret)
    (service.folder / "frdf/out").symlink_to(service.folder)
    inward = transfer(service.at("link", "usdf"), service.at("a"), DATA)
    outward = transfer(service.put("b", DATA), service.at("out/written"), DATA)
    job = service.ended(service.submit(inward, outward))
    assert [file["file_state"] for file in job["files"]] == ["FAILED", "FAILED"]
    assert not (service.folder / "written").exists()


def test_a_store_that_is_not_mounted_is_an_error_and_not_a_new_folder(service):
    (service.folder / "frdf").rmdir()
    job = service.ended(service.submit(transfer(service.put("a", DATA), service.at("a"), DATA)))
    assert "STORE MISSING" in job["files"][0]["reason"]
    assert not (service.folder / "frdf").exists()


def test_a_job_named_by_its_client_is_accepted_once(service):
    _, who = service.call("GET", "/whoami")
    assert who["vos"]
    one = transfer(service.put("a", DATA), service.at("a"), DATA)
    named = {"id_generator": "deterministic", "sid": "request-1"}
    service.submit(one, **named)
    status, _ = service.call("POST", "/jobs", {"files": [one], "params": named})
    assert status == 409


def test_without_the_token_only_the_version_is_told(make_service):
    service = make_service(token="right")  # noqa: S106
    assert service.call("GET", "/jobs/x")[0] == 404
    service.token = "wrong"  # noqa: S105
    assert service.call("GET", "/jobs/x")[0] == 401
    assert service.call("GET", "/")[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"files": []},
        {"files": [{"sources": []}]},
        {"files": [{"sources": ["file:///a"], "destinations": []}]},
        {"files": ["a"]},
        {"files": [{"sources": ["file:///a"], "destinations": ["file:///b"], "checksum": "X:1"}]},
    ],
)
def test_what_is_no_job_is_refused_with_a_reason(service, body):
    status, answer = service.call("POST", "/jobs", body)
    assert status == 400
    assert "message" in answer


def test_an_unreadable_file_ends_its_own_job_only(service):
    (service.folder / "frdf/dir").mkdir()
    job = service.ended(service.submit(transfer(service.put("a", DATA), service.at("dir"), DATA)))
    assert "IsADirectoryError" in job["files"][0]["reason"]
    good = service.ended(service.submit(transfer(service.put("b", DATA), service.at("b"), DATA)))
    assert good["job_state"] == "FINISHED"

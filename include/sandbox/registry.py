"""Know every service of the sandbox and the order in which they depend on each other."""

from __future__ import annotations

from sandbox.allotted import Allotted
from sandbox.errors import SandboxError
from sandbox.layout import Layout
from sandbox.qserv_services import MariaDb, QservContract
from sandbox.seaweedfs import SeaweedFs
from sandbox.service import Service
from sandbox.services.airflow import AirflowApi, DagProcessor, Scheduler, Triggerer
from sandbox.services.celery import EndpointWorker, Worker
from sandbox.services.copy import CopyService
from sandbox.services.events import Events
from sandbox.services.memcached import Memcached
from sandbox.services.postgres import Postgres
from sandbox.services.redis import Redis
from sandbox.services.rucio import Rucio

# In the order in which `status` lists them; each stands after what it needs.
SERVICES: tuple[type[Service], ...] = (
    Postgres,
    Memcached,
    SeaweedFs,
    CopyService,
    Events,
    Rucio,
    Redis,
    AirflowApi,
    Scheduler,
    DagProcessor,
    Triggerer,
    Worker,
    EndpointWorker,
)

# Started by a command of their own, `./sandbox qserv`, each after what it needs; `down` stops them.
BESIDE: tuple[type[Service], ...] = (MariaDb, QservContract)

GROUPS = {
    "airflow": tuple(s.name for s in SERVICES if s.name.startswith("airflow-")),
    "storage": ("postgres", "memcached", "seaweedfs", "copy", "events", "rucio"),
}


def all_services(layout: Layout, allotted: Allotted) -> list[Service]:
    """Build every service of one sandbox: an S3 server or workers only where it has them."""
    left_out: list[type[Service]] = [] if layout.s3_sites() else [SeaweedFs]
    if layout.executor() != "celery":
        left_out += [Redis, Worker, EndpointWorker]
    return [service(layout, allotted) for service in SERVICES if service not in left_out]


def choose(names: str | None) -> set[str]:
    """Turn ``--only a,b`` into service names with all that they need; `None` chooses everything."""
    known = {service.name: service for service in SERVICES}
    if names is None:
        return set(known)
    chosen: set[str] = set()
    pending = [part for name in names.split(",") for part in GROUPS.get(name, (name,))]
    while pending:
        name = pending.pop()
        if name not in known:
            raise SandboxError(
                f"There is no service {name!r}",
                where="--only",
                next_action=f"Choose from {', '.join([*known, *GROUPS])}.",
            )
        if name not in chosen:
            chosen.add(name)
            pending.extend((*known[name].needs, *known[name].asks))
    return chosen

"""Keep the store of a site in a bucket of the sandbox's own S3 server, instead of in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sandbox import sites
from sandbox.allotted import Allotted
from sandbox.errors import SandboxError
from sandbox.layout import Layout
from sandbox.seaweedfs import SeaweedFs

PREFIX = "store"
PROFILE = "LSST_RESOURCES_S3_PROFILE_"


@dataclass(frozen=True, slots=True)
class Bucket:
    """Name one site's bucket, and what each of its clients needs to know."""

    site: str
    layout: Layout
    allotted: Allotted

    @property
    def name(self) -> str:
        """Give the bucket's name."""
        return self.site.lower()

    @property
    def profile(self) -> str:
        """Name the Airflow connection, which is the profile of `lsst.resources` too."""
        return f"{self.name}_store"

    @property
    def store_url(self) -> str:
        """Give what the endpoint's file calls the store."""
        return f"s3://{self.profile}@{self.name}/{PREFIX}"

    @property
    def mover_prefix(self) -> str:
        """Give the address below which Rucio's conveyor asks for copies."""
        return f"s3s://127.0.0.1:{self._server.https_port()}/{self.name}/{PREFIX}"

    def client_env(self) -> dict[str, str]:
        """Give the store's address, and its key to clients outside Airflow."""
        access, secret = self._server.site_key(self.site)
        return {
            f"DBB_STORE_{self.site}": self.store_url,
            f"{PROFILE}{self.profile}": f"http://{access}:{secret}@{self._host}",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def connection(self) -> dict[str, Any]:
        """Give Airflow's connection, as its secrets backend keeps it."""
        access, secret = self._server.site_key(self.site)
        extra = {"endpoint_url": f"http://{self._host}", "region_name": "us-east-1"}
        return {"conn_type": "aws", "login": access, "password": secret, "extra": extra}

    def rucio_setting(self) -> dict[str, str]:
        """Give what Rucio must know to sign its requests."""
        access, secret = self._server.site_key(self.site)
        return {
            "port": str(self._server.https_port()),
            "prefix": f"/{self.name}/{PREFIX}",
            "access_key": access,
            "secret_key": secret,
        }

    @property
    def _host(self) -> str:
        return f"127.0.0.1:{self._server.port()}"

    @property
    def _server(self) -> SeaweedFs:
        return SeaweedFs(self.layout, self.allotted)


def buckets(layout: Layout, allotted: Allotted) -> list[Bucket]:
    """Give the bucket of each site that has one."""
    return [Bucket(site, layout, allotted) for site in layout.s3_sites()]


def keep_s3_sites(layout: Layout, wanted: list[str]) -> None:
    """Decide for the life of a sandbox which sites are on S3.

    Raises
    ------
    SandboxError
        If one is no RSE, or the sandbox has begun with other stores: files do not move by this.
    """
    unknown = sorted(set(wanted) - set(sites.RSES))
    if unknown:
        raise SandboxError(
            f"There is no site {', '.join(unknown)}",
            where="--s3",
            next_action=f"Choose from {', '.join(sites.RSES)}.",
        )
    new = tuple(sorted(set(wanted)))
    if new == layout.s3_sites():
        return
    if reason := SeaweedFs(layout, Allotted.load(layout.allotted_file)).missing():
        raise SandboxError(
            f"There is no S3 server: {reason}",
            where="--s3",
            next_action="It comes with the tests: run `./sandbox test --version` once.",
        )
    if layout.allotted_file.exists():
        raise SandboxError(
            "This sandbox keeps its stores elsewhere already",
            where=str(layout.state),
            next_action="Start a new one: `./sandbox up --fresh --s3 SITE`.",
        )
    layout.make()
    layout.s3_file.write_text("\n".join(new) + "\n")

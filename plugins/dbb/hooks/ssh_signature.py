"""Sign with an Ed25519 key of OpenSSH, for the one purpose of exports."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from dbb.errors import SigningFailed
from dbb.verify_bag import NAMESPACE

TIMEOUT_S = 60


class SshSigner:
    """Sign bytes as ``ssh-keygen -Y sign`` does.

    Parameters
    ----------
    key
        The file of a private key without passphrase; it is never copied.
    """

    def __init__(self, key: Path) -> None:
        self._key = key

    def check(self) -> None:
        """Find out whether signing will work, before anything was copied.

        Raises
        ------
        SigningFailed
            If there is no program, or no usable Ed25519 key.
        """
        self.sign(b"")

    def sign(self, data: bytes) -> bytes:
        """Give the signature, in OpenSSH's armour.

        Raises
        ------
        SigningFailed
            If there is no program, or no usable Ed25519 key.
        """
        program = shutil.which("ssh-keygen")
        if program is None:
            raise SigningFailed.for_key(self._key, "there is no ssh-keygen here")
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "data"
            place.write_bytes(data)
            command = [
                program,
                "-Y",
                "sign",
                "-q",
                "-f",
                str(self._key),
                "-n",
                NAMESPACE,
                str(place),
            ]
            try:
                done = subprocess.run(  # noqa: S603 - the program's own full path
                    command, capture_output=True, text=True, check=False,
                    timeout=TIMEOUT_S, stdin=subprocess.DEVNULL,
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                raise SigningFailed.for_key(self._key, "ssh-keygen does not end") from None
            signature = place.with_name("data.sig")
            if done.returncode or not signature.exists():
                why = (
                    " ".join(done.stderr.split())[:200] or f"ssh-keygen ends with {done.returncode}"
                )
                raise SigningFailed.for_key(self._key, why)
            return signature.read_bytes()

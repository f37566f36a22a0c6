"""Make the key that signs the sandbox's exports: once for each state folder, readable by its owner only."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from sandbox.layout import Layout

SIGNER = "exports@sandbox"
"""Who signs, as `dbb export verify` says it."""


def export_root(layout: Layout) -> Path:
    """Give the folder of exports."""
    return layout.data("exports")


def export_key(layout: Layout) -> Path:
    """Give the file of the private key; its public half lies beside it."""
    return layout.data("signing") / "exports"


def allowed_signers(layout: Layout) -> Path:
    """Give the file by which `dbb export verify --signers` believes the key."""
    return layout.data("signing") / "allowed_signers"


def make_export_key(layout: Layout) -> None:
    """Make the key where there is none; without ``ssh-keygen`` exports say what they lack."""
    key = export_key(layout)
    program = shutil.which("ssh-keygen")
    if key.exists() or program is None:
        return
    key.parent.mkdir(mode=0o700, exist_ok=True)
    part = key.with_name("exports.part")
    for left in (part, part.with_name("exports.part.pub")):
        left.unlink(missing_ok=True)  # of a start that was killed
    command = [program, "-q", "-t", "ed25519", "-N", "", "-C", SIGNER, "-f", str(part)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    public = part.with_name("exports.part.pub")
    allowed_signers(layout).write_text(f"{SIGNER} {public.read_text()}")
    public.replace(key.with_name("exports.pub"))
    part.replace(key)

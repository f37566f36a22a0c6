"""Install the project's two Python environments, and the little that Debian must give."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.layout import Layout

_PYTHON = "3.11"


@dataclass(frozen=True, slots=True)
class Environment:
    """Name one environment and the locks that define it."""

    folder: Path
    locks: tuple[Path, ...]

    @property
    def stamp(self) -> Path:
        """The file that says which locks were installed last."""
        return self.folder / ".dbb-locks"

    def wanted(self) -> str:
        """Hash the locks."""
        return hashlib.sha256(b"".join(lock.read_bytes() for lock in self.locks)).hexdigest()

    def is_current(self) -> bool:
        """Tell whether the locks are installed as they are now."""
        return self.stamp.exists() and self.stamp.read_text() == self.wanted()


def environments(layout: Layout) -> tuple[Environment, Environment]:
    """Give the Airflow environment and the Rucio environment."""
    root = layout.root
    return (
        Environment(layout.venv, (root / "requirements.txt", root / "requirements-dev.txt")),
        Environment(
            layout.venv_rucio, (root / "include" / "sandbox" / "rucio" / "requirements.txt",)
        ),
    )


def setup(layout: Layout, say: Callable[[str], None] = print, *, for_tests: bool = False) -> None:
    """Install what is missing; where nothing is, cost a second."""
    _debian_packages(say, for_tests=for_tests)
    for environment in environments(layout):
        if environment.is_current():
            say(f"{environment.folder.name}: current")
            continue
        say(f"{environment.folder.name}: installing from {_names(environment)}")
        _install(environment, uv(layout, say))
        environment.stamp.write_text(environment.wanted())
        say(f"{environment.folder.name}: installed")


def _install(environment: Environment, uv_program: str) -> None:
    if not (environment.folder / "bin" / "python").exists():
        python = _interpreter()
        _run([uv_program, "venv", "--quiet", "--python", python, str(environment.folder)])
    python = str(environment.folder / "bin" / "python")
    locks = [str(lock) for lock in environment.locks]
    _run([uv_program, "pip", "sync", "--quiet", "--python", python, *locks])


def _interpreter() -> str:
    """Prefer the version that the locks were resolved for; this Python is new enough otherwise."""
    return shutil.which(f"python{_PYTHON}") or sys.executable


def uv(layout: Layout, say: Callable[[str], None]) -> str:
    """Find `uv`, or install it from PyPI into an environment of its own."""
    own = layout.venv_tools / "bin" / "uv"
    if own.exists():
        return str(own)
    if found := shutil.which("uv"):
        return found
    say("uv: installing from PyPI into .venv-tools")
    shutil.rmtree(layout.venv_tools, ignore_errors=True)
    if _has_ensurepip():
        _run([_base_python(), "-m", "venv", str(layout.venv_tools)])
        _run([str(layout.venv_tools / "bin" / "python"), "-m", "pip", "install", "-q", "uv"])
    else:
        raise SandboxError(
            "This Python can make no environment: it has no ensurepip",
            where=_base_python(),
            next_action="Install the Debian package python3-venv, or `uv`, and run again.",
        )
    return str(own)


def _base_python() -> str:
    """Give the interpreter outside any environment that this one may be."""
    return getattr(sys, "_base_executable", sys.executable) or sys.executable


def _has_ensurepip() -> bool:
    probe = [_base_python(), "-c", "import ensurepip, venv"]
    return subprocess.run(probe, check=False, capture_output=True).returncode == 0


_FOR_TESTS = {
    "mariadbd": ("mariadb-server-core", "without it the tests of the Qserv handoff are left out"),
    "influxd": ("influxdb", "without it the tests of the EFD are left out"),
    "pgbackrest": ("pgbackrest", "without it the tests of backups are left out"),
    "chromium": ("chromium", "without it the tests of pages in a browser are left out"),
    "redis-server": ("redis-server", "without it the test of Celery's workers is left out"),
    "/usr/lib/postgresql/15/bin/postgres": ("postgresql-15", "the server that pgbackrest backs up"),
}
"""Programs that only tests start: by program, the Debian package and what it is for."""


def find_program(name: str) -> str | None:
    """Find a program, also where Debian puts servers and only root's path leads."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


def _debian_packages(say: Callable[[str], None], *, for_tests: bool) -> None:
    """Install missing Debian packages where the caller may; say what is lost where not."""
    missing = {}
    if not shutil.which("uv") and not _has_ensurepip():
        missing["python3-venv"] = "needed to install anything"
    if not shutil.which("memcached"):
        missing["memcached"] = "without it Rucio is three to ten times slower"
    if for_tests:
        missing |= {
            package: reason
            for program, (package, reason) in _FOR_TESTS.items()
            if not find_program(program)
        }
    for package, reason in missing.items():
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            say(f"Debian package {package}: missing, and only root can install it ({reason})")
            continue
        say(f"Debian package {package}: installing with apt-get ({reason})")
        _apt_install(package, say)


def _make_no_cluster() -> None:
    """Keep Debian from starting a server of its own: the tests make theirs."""
    folder = Path("/etc/postgresql-common/createcluster.d")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dbb.conf").write_text("create_main_cluster = false\n", encoding="utf-8")


_POLICY = Path("/usr/sbin/policy-rc.d")
"""Debian asks this program whether a package may start its service."""


@contextmanager
def _no_services() -> Iterator[None]:
    """Keep packages from starting services of the machine: the sandbox starts its own."""
    if _POLICY.exists():  # the machine has a policy already, as images for containers do
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()


def _apt_install(package: str, say: Callable[[str], None]) -> None:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if package.startswith("postgresql-"):
        _make_no_cluster()
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", package]
    with _no_services():
        done = subprocess.run(install, env=env, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            # A fresh image has no package lists yet.
            subprocess.run(["apt-get", "update", "-q"], env=env, check=False, capture_output=True)
            done = subprocess.run(install, env=env, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        say(f"Debian package {package}: apt-get failed: {done.stderr.strip().splitlines()[-1:]}")


def _run(command: list[str]) -> None:
    env = {**os.environ, "UV_COMPILE_BYTECODE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    # Sites with a certificate authority of their own have told the system, not `uv`.
    env.setdefault("UV_SYSTEM_CERTS", "1")
    # Without compiled files every Airflow process costs 5.5 instead of 2.5 CPU seconds to start.
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    env.pop("PYTHONPATH", None)
    env.pop("VIRTUAL_ENV", None)
    done = subprocess.run(command, check=False, env=env, text=True, stderr=subprocess.PIPE)
    if done.returncode != 0:
        raise SandboxError(
            f"`{' '.join(command[:4])} …` failed",
            where="setup",
            next_action=f"It said: {done.stderr.strip()}",
        )


def _names(environment: Environment) -> str:
    return " + ".join(lock.name for lock in environment.locks)

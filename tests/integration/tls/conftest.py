"""Connections over TLS to real servers, whose certificates an authority of the test's own has signed.

Each client works with that authority's file and refuses another authority's; what every client says of
whatever is not safe is in ``tests/unit/hooks/test_certificates.py``.
"""

from __future__ import annotations

import json

import pytest

from dbb.cli.main import main
from support.certificates import Authority


@pytest.fixture(scope="session")
def ours(tmp_path_factory):
    """Give the authority that has signed every server's certificate."""
    return Authority(tmp_path_factory.mktemp("ours"), "ours")


@pytest.fixture(scope="session")
def theirs(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("theirs"), "theirs")


@pytest.fixture
def dbb(capsys):
    """Give the command line: it gives its exit code, and the error that it told."""

    def dbb(environment, *words):
        code = main([*words, "--json"], environment)
        told = capsys.readouterr().err
        return code, json.loads(told)["error"] if told else None

    return dbb


@pytest.fixture
def believe(monkeypatch):
    """Have clients of web servers and of S3 believe one authority."""

    def believe(authority):
        for variable in ("REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"):
            monkeypatch.setenv(variable, str(authority.file))

    return believe

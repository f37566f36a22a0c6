"""Ask and tell loopback HTTP services in JSON, with the standard library only."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from typing import Any

# A proxy in the environment must never see loopback traffic.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def call(
    method: str, url: str, *, body: Any = None, token: str | None = None, timeout_s: float = 30
) -> Any:
    """Send one request and return the decoded answer; a refusal raises `urllib.error.HTTPError`."""
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    with _OPENER.open(request, timeout=timeout_s) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def answers(url: str, *, timeout_s: float = 2) -> bool:
    """Tell whether a service answers a GET with success."""
    try:
        call("GET", url, timeout_s=timeout_s)
    except (OSError, urllib.error.URLError, http.client.HTTPException, ValueError):
        return False
    return True

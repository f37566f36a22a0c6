"""Pages that stand in Airflow's frame: the one script there is lets links to Airflow out of it.

Airflow shows a plugin's page in a frame whose sandbox forbids it to lead its parent anywhere, so a link with
``target="_top"`` would do nothing when it is clicked. The script has the parent follow the link itself. A page
that stands alone needs no script and gets none.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from fastapi.responses import HTMLResponse
from starlette.types import Receive, Scope, Send

SCRIPT = Path(__file__).with_name("leave_frame.js").read_text(encoding="utf-8")
SCRIPT_SHA256 = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
_POLICY = "content-security-policy"


class PageResponse(HTMLResponse):
    """Send a page; into a frame with the script, which the page's policy then allows by its hash."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        if (b"sec-fetch-dest", b"iframe") in scope["headers"]:
            ending = f"<script>{SCRIPT}</script></body>".encode()
            self.body = bytes(self.body).replace(b"</body>", ending)
            self.headers["content-length"] = str(len(self.body))
            self.headers[_POLICY] += f"; script-src 'sha256-{SCRIPT_SHA256}'"
        await super().__call__(scope, receive, send)

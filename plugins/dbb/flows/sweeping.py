"""Sweeping out what killed writers left in a store: hidden files, and uploads that nobody ended.

Nobody sees these, and nothing is ever read from them; but they fill disks, and S3 bills them.
"""

from __future__ import annotations

import datetime as dt
import logging

from dbb.flows.backbone import Backbone

log = logging.getLogger(__name__)

LEAVE_ALONE_S = 2 * 86_400
"""How old a part must be: no writer of ours is at one file for so long."""


def sweep_store(
    backbone: Backbone, endpoint: str, *, older_than_s: int = LEAVE_ALONE_S
) -> list[str]:
    """Delete what killed writers left at an endpoint; give the names.

    Parameters
    ----------
    backbone
        The ports.
    endpoint
        Any endpoint that has a store.
    older_than_s
        Only what was begun before so long. A living writer that is swept fails and tries again.
    """
    older_than = backbone.clock.now() - dt.timedelta(seconds=older_than_s)
    swept = backbone.store(endpoint).sweep_parts(older_than)
    log.info("action=sweep-store endpoint=%s parts=%d", endpoint, len(swept))
    return swept

"""Look whether files are there that Butler is to take in where they lie."""

from __future__ import annotations

from collections.abc import Iterable

from lsst.resources import ResourcePath

from dbb.hooks.s3_errors import s3_errors


def find_missing(urls: Iterable[str]) -> set[str]:
    """Name the URLs at which there is no file.

    Raises
    ------
    StoreUnavailable
        If a bucket's server does not answer.
    """
    paths = {url: ResourcePath(url) for url in urls}
    exists = ResourcePath.mexists(paths.values())
    missing = set()
    for url, path in paths.items():
        # Asked in bulk, a server that does not answer says of every file that it is not there.
        with s3_errors(url):
            if not exists[path] and not path.exists():
                missing.add(url)
    return missing

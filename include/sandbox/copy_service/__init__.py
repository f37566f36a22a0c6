"""Move files on behalf of Rucio, behind the part of the FTS3 REST interface that Rucio calls.

No FTS3 server can be installed from a registry. With this one the unmodified conveyor, judge and
reaper run exactly as in production, where the RSE attribute ``fts`` names a real FTS3 and nothing
else changes. Standard library only; `boto3` is imported when the first S3 address is copied.
"""

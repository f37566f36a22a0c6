"""Run a real Rucio server and its daemons in one process.

`config` runs in the sandbox's own Python; `serve`, `bootstrap`, `daemons` and `control` run in the
Rucio environment.
"""

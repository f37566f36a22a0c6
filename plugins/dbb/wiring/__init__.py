"""Joining settings, hooks and flows: the one place that knows which hook stands behind a port.

A module has one subject. Clients are imported when their port is first used: what only reads the
ledger never pays for Butler or Rucio, whose imports take seconds.
"""

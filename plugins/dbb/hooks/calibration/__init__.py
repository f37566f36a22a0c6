"""Payloads that make calibrations, and the measuring of what goes in and comes out.

`payloads` reads which payload is configured; `combining` is the built-in one, `command` runs an
external pipeline. numpy and astropy are imported where there is something to combine.
"""

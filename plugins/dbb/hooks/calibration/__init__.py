"""Payloads that make calibrations, and the measuring of what goes in and comes out.

`payloads` reads which payload is configured; `combining` is the built-in one, `command` runs an
external pipeline, `judging` checks inputs and products. Import them in a task, not in a DAG file:
they bring numpy and astropy along.
"""

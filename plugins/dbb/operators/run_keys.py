"""Refusing what a run was given and nobody reads: a misspelt parameter must not pass for its default."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbb.errors import UnknownParameter

if TYPE_CHECKING:
    from airflow.sdk import Context


def refuse_unknown_keys(context: Context) -> None:
    """Stop the first task of a run whose configuration has keys that are no parameters of its DAG.

    Airflow checks the values of parameters when a run is asked for; of each other key it makes a parameter.

    Raises
    ------
    UnknownParameter
        If there is one.
    """
    unknown = set(context["dag_run"].conf or {}) - set(context["dag"].params)
    if unknown:
        raise UnknownParameter.for_keys(context["dag"].dag_id, sorted(unknown))

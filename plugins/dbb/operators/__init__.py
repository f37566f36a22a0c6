"""Airflow's tasks: each translates its arguments into one call of a flow."""

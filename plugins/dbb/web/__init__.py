"""The pages inside Airflow: what `dbb night` and `dbb exposure` say, for a browser."""

"""What waits in Airflow's triggerer, so that no worker is held by waiting."""

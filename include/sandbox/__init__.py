"""Start, on one machine and without docker, what a production site has already.

PostgreSQL, memcached, a real Rucio server with its daemons, an FTS3-compatible copy service and
Airflow. Everything here runs on the standard library of Python 3.11, except `rucio.serve`, which
runs inside the Rucio environment.
"""

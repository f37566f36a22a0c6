-- Find the first hour that was ever expected. Index: efd_cell_time.
select min(begin_at) as begin_at from efd_cell

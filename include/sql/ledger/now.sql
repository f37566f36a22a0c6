-- Tell the database's time, to compare it with ours. No parameters.
select current_timestamp as at

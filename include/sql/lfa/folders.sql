-- List the folders above the date in keys.
select folder from lfa_folder order by folder

-- Read the fingerprints of units' datasets. Parameters: units (list). Index: primary key.
select * from unit_datasets where unit in :units

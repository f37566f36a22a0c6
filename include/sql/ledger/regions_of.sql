-- Read which regions units touch. Parameters: units (list), version. Index: primary key.
select unit, regions
from unit_regions
where unit in :units and version = :version

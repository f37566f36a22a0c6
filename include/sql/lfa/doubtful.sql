-- Read objects that are to be compared with their source. Parameters: most. Index: lfa_object_doubt.
select * from lfa_object
where doubt <> '' and state in ('checked', 'sealed') order by changed_at, key limit :most

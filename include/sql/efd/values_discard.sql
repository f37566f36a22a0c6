-- Say that a file is damaged before it travelled. Parameters: publication_id, version. Index: primary key.
update efd_values_file set state = 'damaged', unit = ''
where publication_id = :publication_id and version = :version and state = 'loose'

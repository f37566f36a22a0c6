-- Say that a file is damaged before it travelled. Parameters: first_publication, version. Index: primary key.
update publication_file set state = 'damaged', unit = ''
where first_publication = :first_publication and version = :version and state = 'loose'

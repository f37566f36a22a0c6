-- Read the versions of exposures that publications brought. Parameters: first, last. Index: consdb_exposure_publication.
select * from consdb_exposure_version
where publication_from between :first and :last
order by publication_from, instrument, exposure_id

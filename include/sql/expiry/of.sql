-- Read the expiries of an endpoint by subject. Parameters: endpoint, subjects (list). Index: primary key.
select * from expiry where endpoint = :endpoint and subject in :subjects order by subject

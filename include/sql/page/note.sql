-- Keep the newest word on something, unless there is one that is as new. Parameters: name, at, document, before_at.
-- Index: primary key.
insert into noted (name, at, document) values (:name, :at, :document)
on conflict (name) do update set at = excluded.at, document = excluded.document
where noted.at <= :before_at

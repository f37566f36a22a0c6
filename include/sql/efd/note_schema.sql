-- Keep a topic's fields. Parameters: schema_sha256, fields. Index: primary key.
insert into efd_schema (schema_sha256, fields) values (:schema_sha256, :fields)
on conflict (schema_sha256) do nothing

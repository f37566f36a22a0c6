-- Keep a schema. Parameters: origin, number, definition, kept_at, actor. Index: primary key.
insert into alert_schema (origin, number, definition, kept_at, actor)
values (:origin, :number, :definition, :kept_at, :actor)
on conflict (origin, number) do nothing

-- Give a column a place, or say anew what it is; its place stays. Parameters: the columns.
insert into efd_column (instrument, property, field, position, datatype, unit, ucd, shown_of)
values (:instrument, :property, :field, :position, :datatype, :unit, :ucd, :shown_of)
on conflict (instrument, property, field) do update
set datatype = excluded.datatype, unit = excluded.unit, ucd = excluded.ucd, shown_of = excluded.shown_of

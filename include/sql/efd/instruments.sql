-- Name the instruments that have values of telemetry. No parameters. Index: primary key.
select distinct instrument from efd_column order by instrument

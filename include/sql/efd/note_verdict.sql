-- Record what the expectations said of an interval. Parameters: the columns.
insert into efd_verdict (instrument, begin_at, end_at, number, at, blocked, detail)
values (:instrument, :begin_at, :end_at, :number, :at, :blocked, :detail)
on conflict do nothing

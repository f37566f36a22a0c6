-- Record an alarm, unless one of its cause is open. Parameters: cause, code, what, place, next_action, link, since_at, at. Index: alarm_open.
insert into alarm (number, cause, code, what, place, next_action, link, since_at, raised_at)
select coalesce(max(number), 0) + 1, :cause, :code, :what, :place, :next_action, :link, :since_at, :at from alarm
where true
on conflict do nothing

-- The history is append-only: the database itself refuses to change or delete an event.

create function refuse_change() returns trigger language plpgsql as $$
begin raise exception 'delivery_event is append-only'; end
$$;

create trigger delivery_event_append_only before update or delete on delivery_event
    for each row execute function refuse_change();


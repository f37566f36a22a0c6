-- The history is append-only: the database itself refuses to change or delete an event.

create trigger delivery_event_no_update before update on delivery_event
begin select raise(abort, 'delivery_event is append-only'); end;

create trigger delivery_event_no_delete before delete on delivery_event
begin select raise(abort, 'delivery_event is append-only'); end;


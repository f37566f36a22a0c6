-- Insert a pin. Parameters: the columns. Index: primary key.
insert into pin (pin_id, subject, endpoint, owner, reason, pinned_at, until_at)
values (:pin_id, :subject, :endpoint, :owner, :reason, :pinned_at, :until_at)
on conflict (pin_id) do nothing

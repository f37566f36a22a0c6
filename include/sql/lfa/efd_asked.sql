-- Record up to when the EFD was asked; never an earlier time. Parameters: cursor, until_at.
insert into lfa_efd_cursor (cursor, until_at) values (:cursor, :until_at)
on conflict (cursor) do update set until_at = excluded.until_at
where lfa_efd_cursor.until_at < excluded.until_at

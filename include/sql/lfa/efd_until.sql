-- Say up to when the EFD was asked. Parameters: cursor. Index: primary key.
select until_at from lfa_efd_cursor where cursor = :cursor

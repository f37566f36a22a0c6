-- Read the pins that hold something after a time. Parameters: after_at. Index: pin_until.
select * from pin where until_at > :after_at order by until_at, pin_id

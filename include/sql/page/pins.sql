-- Count the pins that hold something now. Parameters: at. Index: pin_until.
select count(*) as pins from pin where until_at > :at

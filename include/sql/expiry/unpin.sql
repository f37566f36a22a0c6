-- End pins now. Parameters: pin_ids (list), at. Index: primary key.
update pin set until_at = :at where pin_id in :pin_ids and until_at > :at

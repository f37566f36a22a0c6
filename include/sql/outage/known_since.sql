-- Since when the ledger has a history. No parameters. Index: delivery_event_at.
select min(at) as at from delivery_event

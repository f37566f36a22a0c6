-- Read the expiries under way of a subject and what is below it.
-- Parameters: subject, below, below_end (the names from below to below_end), endpoint (empty: any).
-- Index: expiry_open.
select * from expiry
where state in ('intended', 'withdrawn', 'ended')
  and (subject = :subject or (subject >= :below and subject < :below_end))
  and (:endpoint = '' or endpoint = :endpoint)
order by endpoint, subject

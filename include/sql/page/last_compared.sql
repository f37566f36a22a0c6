-- Tell when a night was last compared at an endpoint. Parameters: endpoint. Index: the key of audit_scan.
select max(at) as compared from audit_scan where endpoint = :endpoint

-- Record the rule that brings a unit to an endpoint. Parameters: unit, endpoint, rule_id.
update delivery set rule_id = :rule_id where unit = :unit and endpoint = :endpoint

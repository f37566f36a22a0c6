-- Name attempts that are out of force. Parameters: units. Index: primary key.
select unit from calibration_attempt where unit in :units and state = 'withdrawn'

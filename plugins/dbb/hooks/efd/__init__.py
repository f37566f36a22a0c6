"""The EFD: the telemetry, events and commands of the observatory."""

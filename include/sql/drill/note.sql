-- Record a drill. Parameters: all columns.
insert into drill (
    kind, subject, started_at, ended_at, units, files, size_bytes, seconds, result, wrong, detail, actor
) values (
    :kind, :subject, :started_at, :ended_at, :units, :files, :size_bytes, :seconds, :result, :wrong, :detail, :actor
)

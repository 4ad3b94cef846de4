-- Events that other processes have written since.
-- Parameters: last id seen, own source
-- Returns: id, body (JSON), in order
-- Cost: at most 500 rows by primary key
-- Called by: events.ts

SELECT id, body FROM events WHERE id > ? AND source <> ? ORDER BY id LIMIT 500

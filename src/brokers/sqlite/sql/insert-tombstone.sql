-- Keeps the answer for late settles.
-- Parameters: id, token, state, until (ms)
-- Returns: nothing
-- Cost: one row
-- Called by: moves.ts

INSERT INTO tombstones (id, token, state, until) VALUES (?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET token = excluded.token, state = excluded.state, until = excluded.until

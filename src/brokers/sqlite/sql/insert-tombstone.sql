-- Keeps the answer for late settles.
-- Parameters: id, settled (token and kind of the last outcome), until (ms)
-- Returns: nothing
-- Cost: one row
-- Called by: moves.ts

INSERT INTO tombstones (id, settled, until) VALUES (?, ?, ?)
ON CONFLICT (id) DO UPDATE SET settled = excluded.settled, until = excluded.until

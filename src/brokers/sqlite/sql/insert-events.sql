-- Keeps the events of a transaction for listeners in other processes.
-- Parameters: source, at (ms), body (JSON)
-- Returns: nothing
-- Cost: one row
-- Called by: store.ts, while another process listens

INSERT INTO events (source, at, body) VALUES (?, ?, ?)

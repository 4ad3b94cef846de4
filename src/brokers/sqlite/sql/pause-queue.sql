-- Pauses a queue or lets it go on.
-- Parameters: queue, paused (0 or 1)
-- Returns: nothing
-- Cost: one row
-- Called by: registry.ts

INSERT INTO queues (queue, paused) VALUES (?, ?) ON CONFLICT (queue) DO UPDATE SET paused = excluded.paused

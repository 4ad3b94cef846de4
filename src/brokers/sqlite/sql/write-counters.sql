-- Writes the counters back.
-- Parameters: seq, token, pos, turn, clock (ms), config, listen_until (ms)
-- Returns: nothing
-- Cost: one row
-- Called by: store.ts, before each commit that changed something

UPDATE counters SET seq = ?, token = ?, pos = ?, turn = ?, clock = ?, config = ?, listen_until = ? WHERE id = 1

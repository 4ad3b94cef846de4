-- Reads the counters of the file.
-- Parameters: none
-- Returns: seq, token, pos, turn, clock (ms), config, listen_until (ms)
-- Cost: one row
-- Called by: store.ts, at the start of each transaction

SELECT seq, token, pos, turn, clock, config, listen_until FROM counters WHERE id = 1

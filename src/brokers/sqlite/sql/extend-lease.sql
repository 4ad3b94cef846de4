-- Makes a lease end later, if the token is the live one.
-- Parameters: lease_until (ms), id, token
-- Returns: changes one row or none
-- Cost: one row and an index
-- Called by: settle.ts, for each lease

UPDATE jobs SET lease_until = max(lease_until, ?) WHERE id = ? AND token = ? AND state = 3

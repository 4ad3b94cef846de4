-- Writes a job's progress.
-- Parameters: codec, bytes, seq
-- Returns: nothing
-- Cost: one row
-- Called by: settle.ts

UPDATE jobs SET progress_codec = ?, progress = ? WHERE seq = ?

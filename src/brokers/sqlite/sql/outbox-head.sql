-- What is to be spread next.
-- Parameters: none
-- Returns: id, parent, success, workflow, last_seq
-- Cost: one row
-- Called by: dependents.ts

SELECT id, parent, success, workflow, last_seq FROM outbox WHERE id > 0 ORDER BY id LIMIT 1

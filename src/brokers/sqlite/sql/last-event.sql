-- Where the events end.
-- Parameters: none
-- Returns: id
-- Cost: one row
-- Called by: events.ts, when somebody starts to listen

SELECT max(id) FROM events

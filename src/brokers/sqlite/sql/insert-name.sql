-- Gives a name its number.
-- Parameters: name
-- Returns: nothing
-- Cost: one row
-- Called by: names.ts

INSERT INTO names (name) VALUES (?)

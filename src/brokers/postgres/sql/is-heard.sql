-- Whether somebody listens to events.
-- Cost: one row of a table that is empty as a rule
-- Called by: whatever moves jobs

CREATE OR REPLACE FUNCTION is_heard() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  RETURN EXISTS (SELECT 1 FROM listeners WHERE until > now_ms());
END $$

-- All limits; `declared` before `set`.
-- Parameters: none
-- Returns: kind, name, source, concurrency, rate_count, rate_per_ms
-- Cost: O(rules)
-- Called by: rules.ts, when they have changed

SELECT kind, name, source, concurrency, rate_count, rate_per_ms FROM rules ORDER BY kind, name, source

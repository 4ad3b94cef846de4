-- Broker time: milliseconds since 1970 by the server's clock, as it is now, not at the start of the transaction.

CREATE OR REPLACE FUNCTION now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS
'SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint'

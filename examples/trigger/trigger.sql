-- Each new row of users enqueues a job, in the transaction that writes the row: both are there, or neither is.
CREATE TABLE users (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL
);

CREATE FUNCTION greet_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM offstage.enqueue('greet', jsonb_build_object('id', NEW.id, 'name', NEW.name), unique_key => NEW.id::text);
  RETURN NULL;
END $$;

CREATE TRIGGER greet_user AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION greet_user();

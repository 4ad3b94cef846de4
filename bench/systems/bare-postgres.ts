// What the machine and the server allow: one function a trip, arrays in binary form, states kept, and nothing else. No
// check, no id but the number, no limits, no retries. A claim takes a batch off the line and leaves one row as the lease
// of all of it, so that a job costs two rows written, one deleted, and none updated.
import { Client } from 'pg'
import type { Mail } from '../figures/support.ts'
import { type ClaimLoop, databaseOf, type System, type SystemOptions } from './system.ts'

const BATCH = 500
/** Node works on the rows of one trip while the server is at the next. */
const LOOPS = 2
const BYTEA = 17

interface Row {
  readonly token: string
  readonly seq: string
  readonly input: Buffer
}

export async function open({ broker }: SystemOptions): Promise<System> {
  const { connectionString, schema } = databaseOf(broker)
  const connections: Client[] = []
  const connect = async (): Promise<Client> => {
    const client = new Client({ connectionString, options: `-c search_path=${schema}` })
    connections.push(client)
    await client.connect()
    return client
  }
  const producer = await connect()
  await producer.query(layout(schema))
  const accept = async (inputs: readonly Mail[]): Promise<unknown> =>
    producer.query({ name: 'accept', text: 'SELECT accept($1)', values: [packed(inputs)] })
  const gathered = gatherer(accept)
  const turns = async (batch: number): Promise<() => Promise<number>> => {
    const client = await connect()
    let held: string | null = null
    return async () => {
      const { rows } = await client.query<Row>({
        name: 'turn',
        text: 'SELECT * FROM turn($1, $2)',
        values: [held, batch],
      })
      held = rows[0]?.token ?? null
      return rows.length
    }
  }
  return {
    enqueue: gathered,
    enqueueMany: accept,
    work: async (run) => {
      let stopped = false
      const loop = async (): Promise<void> => {
        const turn = await turns(BATCH)
        while (!stopped) {
          const came = await turn()
          for (let n = 0; n < came; n += 1) run()
          if (came === 0) await new Promise((resolve) => setTimeout(resolve, 1))
        }
      }
      const loops = Promise.all(Array.from({ length: LOOPS }, loop))
      return () => {
        stopped = true
        return loops
      }
    },
    claims: async (batch): Promise<ClaimLoop> => ({ trip: await turns(batch), stop: async () => undefined }),
    close: () => Promise.all(connections.map((client) => client.end())),
  }
}

/** Calls that come while a trip is under way share the next. */
function gatherer(accept: (inputs: readonly Mail[]) => Promise<unknown>): (input: Mail) => Promise<unknown> {
  let waiting: Mail[] = []
  let current = Promise.resolve<unknown>(undefined)
  let next: Promise<unknown> | undefined
  return (input) => {
    waiting.push(input)
    next ??= current.then(() => {
      const inputs = waiting
      waiting = []
      next = undefined
      current = accept(inputs)
      return current
    })
    return next
  }
}

/** `bytea[]` as the wire has it. */
function packed(inputs: readonly Mail[]): Buffer {
  const values = inputs.map((input) => Buffer.from(JSON.stringify(input)))
  const buffer = Buffer.allocUnsafe(values.reduce((size, value) => size + 4 + value.length, 20))
  let at = 0
  for (const head of [1, 0, BYTEA, values.length, 1]) at = buffer.writeInt32BE(head, at)
  for (const value of values) {
    at = buffer.writeInt32BE(value.length, at)
    at += value.copy(buffer, at)
  }
  return buffer
}

/** As one transaction, one process at a time: two may open it at once. */
function layout(schema: string): string {
  return `
SELECT pg_advisory_xact_lock(1);
CREATE SCHEMA IF NOT EXISTS ${schema};
CREATE SEQUENCE IF NOT EXISTS seqs;
CREATE SEQUENCE IF NOT EXISTS tokens;
CREATE TABLE IF NOT EXISTS jobs (seq bigint PRIMARY KEY, task int, created_at bigint, input bytea);
CREATE TABLE IF NOT EXISTS ready (seq bigint PRIMARY KEY);
CREATE TABLE IF NOT EXISTS leases (token bigint PRIMARY KEY, until bigint, seqs bigint[]);
CREATE TABLE IF NOT EXISTS ended (seq bigint PRIMARY KEY, state smallint, ended_at bigint);

CREATE OR REPLACE FUNCTION accept(inputs bytea[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  WITH new AS (SELECT nextval('seqs') AS seq, input FROM unnest(inputs) AS input),
    kept AS (INSERT INTO jobs SELECT seq, 1, extract(epoch FROM clock_timestamp()) * 1000, input FROM new)
  INSERT INTO ready SELECT seq FROM new;
END $$;

CREATE OR REPLACE FUNCTION turn(held bigint, most int)
RETURNS TABLE (token bigint, seq bigint, input bytea) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  now bigint := extract(epoch FROM clock_timestamp()) * 1000;
  done bigint[];
  taken bigint[];
  fence bigint;
BEGIN
  IF held IS NOT NULL THEN
    DELETE FROM leases WHERE token = held RETURNING seqs INTO done;
    INSERT INTO ended SELECT one, 3, now FROM unnest(done) AS one;
  END IF;
  WITH gone AS (
    DELETE FROM ready WHERE ctid = ANY (ARRAY(
      SELECT ctid FROM ready ORDER BY seq LIMIT most FOR UPDATE SKIP LOCKED))
    RETURNING seq)
  SELECT array_agg(seq ORDER BY seq) INTO taken FROM gone;
  IF taken IS NULL THEN RETURN; END IF;
  fence := nextval('tokens');
  INSERT INTO leases VALUES (fence, now + 15000, taken);
  RETURN QUERY SELECT fence, jobs.seq, jobs.input FROM jobs WHERE jobs.seq = ANY (taken) ORDER BY 2;
END $$`
}

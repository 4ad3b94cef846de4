// Bringing a schema up to date: numbered steps that go forward only, then all functions as this version has them. One
// process at a time; others wait, and find nothing to do. A step and the functions keep what workers of the version
// before need, and `readable_by` says which version is the oldest that may still use the store. The rules for steps stand
// in `sql/migrations/README.md`.
import type { MigrationStep } from '../../broker/migrating.ts'
import { hasCode, OffstageError } from '../../errors/error.ts'
import { quoteIdentifier, type Session } from './client/client.ts'
import { migrations, sql } from './sql.generated.ts'

export const SCHEMA_VERSION: number = migrations.length
/** The oldest schema version whose library can use what this one writes. */
const READABLE_BY = 1

export interface Target {
  readonly schema: string
  readonly namespace: string
}

export interface SchemaState {
  /** 0 where nothing is there. */
  readonly version: number
  readonly readableBy: number
  readonly namespace: string | undefined
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/**
 * What stands in a schema.
 *
 * @throws BROKER_FORBIDDEN where the role may not look
 */
export async function readState(session: Session, { schema }: Pick<Target, 'schema'>): Promise<SchemaState> {
  // Another's schema may have a table of such a name too, and is told apart by having them all.
  const there = await session.run({
    text: `SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = $1 AND tablename IN ('meta', 'kinds', 'live')`,
    values: [schema],
  })
  if (there.length < 3) return { version: 0, readableBy: 0, namespace: undefined }
  const text = `SELECT key, value FROM ${quoteIdentifier(schema)}.meta WHERE key IN ('version', 'readable_by', 'namespace')`
  const rows = await session
    .run({ text, name: 'the look at its version' })
    .catch(forbidden(`the role lacks rights on the schema '${schema}'; ${ROLES} lists what each needs`))
  const meta = new Map(rows.map(([key, value]) => [String(key), String(value)]))
  return {
    version: Number(meta.get('version') ?? 0),
    readableBy: Number(meta.get('readable_by') ?? 0),
    namespace: meta.get('namespace'),
  }
}

const ROLES = 'docs/brokers/postgres.md'

/** Adds what to do to a refusal of the server's. */
function forbidden(advice: string): (error: unknown) => never {
  return (error) => {
    if (!hasCode(error, 'BROKER_FORBIDDEN')) throw error
    const { message, details } = error as OffstageError
    throw new OffstageError('BROKER_FORBIDDEN', `${message}; ${advice}`, { details })
  }
}

/** The steps that a schema of some version lacks. */
export function pendingSteps(version: number): MigrationStep[] {
  return migrations.filter((step) => step.version > version).map(({ version, name }) => ({ version, name }))
}

/**
 * Refuses a store that this version cannot use.
 *
 * @throws STORE_TOO_NEW, OPTION_INVALID for another namespace
 */
export function checkState(state: SchemaState, { schema, namespace }: Target): void {
  if (state.readableBy > SCHEMA_VERSION) {
    throw new OffstageError(
      'STORE_TOO_NEW',
      `the schema '${schema}' can only be used by versions that know schema version ${state.readableBy}; this one knows ${SCHEMA_VERSION}. Update the library.`,
    )
  }
  if (state.namespace !== undefined && state.namespace !== namespace) {
    throw new OffstageError(
      'OPTION_INVALID',
      `the schema '${schema}' holds the namespace '${state.namespace}', not '${namespace}'; a schema holds one`,
      { details: { path: 'namespace' } },
    )
  }
}

/**
 * What brings a schema from a version to this one, as a script; empty where it is there. It checks that the schema is at
 * that version.
 *
 * @throws OPTION_INVALID for a version that is not there
 */
export function migrationSql(target: Target, from: number): string {
  if (from > SCHEMA_VERSION)
    throw new OffstageError(
      'OPTION_INVALID',
      `from is ${from}; the latest version of the schema is ${SCHEMA_VERSION}`,
      { details: { path: 'from' } },
    )
  if (from === SCHEMA_VERSION) return ''
  const check = `DO $check$ BEGIN
  IF (SELECT value FROM ${quoteIdentifier(target.schema)}.meta WHERE key = 'version') IS DISTINCT FROM '${from}' THEN
    RAISE EXCEPTION 'this script is for version ${from} of the schema, which is at another one';
  END IF;
END $check$;`
  // A statement that answers nothing.
  const lock = `DO $lock$ BEGIN PERFORM pg_advisory_xact_lock(hashtextextended(${literal(lockName(target))}, 0)); END $lock$;`
  const parts = [BEGIN, lock, ...(from === 0 ? [] : [check]), ...statements(target, from), 'COMMIT;']
  return `${parts.join('\n')}\n`
}

// Whoever waited for the lock has to see what the other has done, whatever the database's usual isolation is.
const BEGIN = 'BEGIN ISOLATION LEVEL READ COMMITTED;'
const LOCK = 'SELECT pg_advisory_xact_lock(hashtextextended($1, 0))'

function lockName({ schema }: Target): string {
  return `${schema} migrate`
}

function statements({ schema, namespace }: Target, from: number): string[] {
  const name = quoteIdentifier(schema)
  const meta = { version: String(SCHEMA_VERSION), readable_by: String(READABLE_BY), namespace }
  return [
    'SET LOCAL client_min_messages = warning;',
    // A table that somebody else holds for long: others would queue behind this one.
    "SET LOCAL lock_timeout = '2s';",
    // Whoever owns a schema that an administrator made needs no right to make any.
    `DO $make$ BEGIN
  IF NOT EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = ${literal(schema)}) THEN CREATE SCHEMA ${name}; END IF;
END $make$;`,
    ...(from === 0 ? [empty(schema)] : []),
    `SET LOCAL search_path = ${name}, pg_temp;`,
    'SET LOCAL check_function_bodies = off;',
    ...migrations.filter(({ version }) => version > from).map((step) => step.sql.trim()),
    ...Object.values(sql).map((text) => `${text.trim().replaceAll(':schema', () => name)};`),
    `REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ${name} FROM PUBLIC;`,
    ...Object.entries(meta).map(
      ([key, value]) =>
        `INSERT INTO meta (key, value) VALUES (${literal(key)}, ${literal(value)}) ON CONFLICT (key) DO UPDATE SET value = excluded.value;`,
    ),
  ]
}

/** What is there belongs to somebody else, and its functions would lose their rights. */
function empty(schema: string): string {
  const of = `JOIN pg_catalog.pg_namespace n ON n.oid = o.%I WHERE n.nspname = ${literal(schema)}`
  return `DO $empty$ DECLARE v_other text; BEGIN
  SELECT o.relname INTO v_other FROM pg_catalog.pg_class o ${of.replace('%I', 'relnamespace')} LIMIT 1;
  IF v_other IS NULL THEN SELECT o.proname INTO v_other FROM pg_catalog.pg_proc o ${of.replace('%I', 'pronamespace')} LIMIT 1; END IF;
  IF v_other IS NOT NULL THEN
    RAISE EXCEPTION 'the schema % holds % already; the jobs need one that is empty: name another by schema=',
      ${literal(literal(schema))}, quote_literal(v_other) USING ERRCODE = 'OF002';
  END IF;
END $empty$;`
}

/** A table that is in use is waited for so often. */
const TRIES = 20
/** Whoever works meanwhile waits for this and this for them, and the server gave this up; or a lock took too long. */
const IN_THE_WAY = new Set<unknown>(['40P01', '55P03'])

/**
 * Brings a schema up to date, while others work on it; answers what was there before.
 *
 * @throws STORE_TOO_NEW, OPTION_INVALID for another namespace, BROKER_FORBIDDEN where the role may not, STORE_KEY_TAKEN
 * where the schema holds something else
 */
export async function migrate(session: Session, target: Target): Promise<SchemaState> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await migrateAtOnce(session, target)
    } catch (error) {
      const passes = error instanceof OffstageError && IN_THE_WAY.has(error.details.state)
      if (!passes || tries === TRIES) throw error
    }
  }
}

async function migrateAtOnce(session: Session, target: Target): Promise<SchemaState> {
  // One transaction, also behind a pooler that knows no sessions. Whoever waits here looks again afterwards: another may
  // have done it.
  await session.script(BEGIN)
  try {
    await session.run({ text: LOCK, values: [lockName(target)] })
    const state = await readState(session, target)
    checkState(state, target)
    if (state.version < SCHEMA_VERSION)
      await session
        .script(statements(target, state.version).join('\n'))
        .catch(
          forbidden(
            `the role may not bring the schema '${target.schema}' up to date: run 'offstage migrate' with the role that owns it, or hand the script of 'offstage migrate --sql' to whoever may; see ${ROLES}`,
          ),
        )
    await session.script('COMMIT')
    return state
  } catch (error) {
    // The first error is the one to tell; a connection that is gone has rolled back by itself.
    await session.script('ROLLBACK').catch(() => undefined)
    throw error
  }
}

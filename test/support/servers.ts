// The servers that tests share. `npm test` provides them and names them in the environment; a test that is run alone
// finds what answers at the usual place.

interface Servers {
  redisAnswers(url: string): Promise<boolean>
  redisServerMissing(): string | undefined
  isCi(): boolean
}

interface Postgres {
  postgresRefuses(url: string): Promise<string | undefined>
  postgresServerMissing(): string | undefined
  pgbouncerMissing(): string | undefined
}

const scripts = new URL('../../scripts/', import.meta.url)
const servers = (await import(new URL('servers.mjs', scripts).href)) as Servers
const installed = (await import(new URL('postgres.mjs', scripts).href)) as Postgres

const redis = process.env.OFFSTAGE_TEST_REDIS ?? 'redis://127.0.0.1:6379'
const redisReason = (await servers.redisAnswers(redis))
  ? undefined
  : (process.env.OFFSTAGE_TEST_REDIS_MISSING ??
    'no Redis server answers at OFFSTAGE_TEST_REDIS or 127.0.0.1:6379; `npm test` starts one')
const serverReason = servers.redisServerMissing()

/** A server that others use too: a fresh prefix or namespace a test, and no harm to it. */
export function redisUrl(): string {
  if (redisReason !== undefined) throw new Error(redisReason)
  return redis
}

/** Why there is no `redisUrl`; undefined where there is one. In continuous integration a missing server is an error. */
export function redisMissing(): string | undefined {
  return required(redisReason)
}

/** Why `startRedis` cannot be used; undefined where it can. */
export function redisServerMissing(): string | undefined {
  return required(serverReason)
}

/** Where the server is that tests share. Nobody promises that it is there: see `postgresMissing`. */
export const postgresUrl: string =
  process.env.OFFSTAGE_TEST_POSTGRES ?? 'postgres://postgres@127.0.0.1:5432/test'

/** Why nothing can be done at `postgresUrl`; undefined where it can. In continuous integration that is an error. */
export async function postgresMissing(): Promise<string | undefined> {
  const refused = await installed.postgresRefuses(postgresUrl)
  if (refused === undefined) return undefined
  const told = process.env.OFFSTAGE_TEST_POSTGRES_MISSING
  return required(
    told ??
      `no PostgreSQL server takes work at OFFSTAGE_TEST_POSTGRES or 127.0.0.1:5432 (${refused}); \`npm test\` starts one`,
  )
}

/** Why `startPostgres` cannot be used; undefined where it can. */
export function postgresServerMissing(): string | undefined {
  return required(installed.postgresServerMissing())
}

/** Why `startPgbouncer` cannot be used; undefined where it can. */
export function pgbouncerMissing(): string | undefined {
  return required(installed.pgbouncerMissing())
}

function required(reason: string | undefined): string | undefined {
  if (reason !== undefined && servers.isCi()) throw new Error(reason)
  return reason
}

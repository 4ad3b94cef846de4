// The servers that tests share. `npm test` provides them and names them in the environment; a test that is run alone
// finds what answers at the usual place.

interface Servers {
  redisAnswers(url: string): Promise<boolean>
  redisServerMissing(): string | undefined
  isCi(): boolean
}

const module = new URL('../../scripts/servers.mjs', import.meta.url).href
const servers = (await import(module)) as Servers

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

function required(reason: string | undefined): string | undefined {
  if (reason !== undefined && servers.isCi()) throw new Error(reason)
  return reason
}

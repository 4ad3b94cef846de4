// Tests that start Redis servers of their own are skipped, with the reason, where there is none to be started.
import { test } from 'vitest'
import { redisServerMissing } from './servers.ts'

const missing = redisServerMissing()

/** False where no server can be started; then a skipped test in the file's place says why. */
export function hasRedis(): boolean {
  if (missing !== undefined) test.skip(`Redis (${missing})`, () => undefined)
  return missing === undefined
}

/** A test that needs a server of its own. */
export const redisTest: typeof test = missing === undefined ? test : (test.skip as typeof test)

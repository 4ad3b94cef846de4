// Threads and processes by themselves, where they cannot even start.
import { availableParallelism } from 'node:os'
import { describe, expect, test } from 'vitest'
import { until } from '../../../test/executors/until.ts'
import { systemClock } from '../../runtime/clock.ts'
import { silentLogger } from '../../runtime/logger.ts'
import type { Host } from './host.ts'
import { ProcessHost } from './processes.ts'
import type { Request } from './protocol.ts'
import { ThreadHost } from './threads.ts'

const TINY = 1_048_576
const hosts: { readonly [name: string]: (memoryBytes: number | undefined) => Host } = {
  thread: (memoryBytes) =>
    new ThreadHost({ max: availableParallelism(), memoryBytes, clock: systemClock, logger: silentLogger }),
  process: (memoryBytes) => new ProcessHost({ memoryBytes, clock: systemClock }),
}
const request: Request = {
  kind: 'call',
  module: new URL('../../../test/executors/functions.ts', import.meta.url).href,
  name: 'add',
  args: [1, 2],
}

/** Before anything was started. */
const before = held().length

describe.each(Object.entries(hosts))('a %s', (_, make) => {
  test('without the memory to start fails what it was started for, and what comes later', async () => {
    const host = make(TINY)
    for (let round = 0; round < 2; round += 1) {
      const runs = [1, 2, 3].map(() => host.start(request, () => undefined).done)
      for (const run of await Promise.allSettled(runs)) {
        expect(run).toMatchObject({ status: 'rejected', reason: { code: 'EXECUTOR_CRASHED' } })
      }
    }
    await host.close()
  })

  test('is there for the next request, and is gone once its host is closed', async () => {
    const host = make(undefined)
    for (let i = 0; i < 3; i += 1) {
      expect(await host.start(request, () => undefined).done).toMatchObject({ ok: true, value: 3 })
    }
    await host.close()
    // Handles are closed in the turns after that.
    await until('nothing of it is left', () => held().length <= before)
  })
})

/** What of this process keeps threads and child processes. */
function held(): string[] {
  return process.getActiveResourcesInfo().filter((name) => /MessagePort|ProcessWrap|PipeWrap/.test(name))
}

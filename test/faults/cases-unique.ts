// Unique keys under a race of processes, with crashes and retries.
import { expect } from 'vitest'
import { ended, only } from './reading.ts'
import { type FaultCase, LEASE_MS } from './suite.ts'

const PROCESSES = 8
const EACH = 500
const KEYS = 20

export const uniqueCases: readonly FaultCase[] = [
  {
    title:
      'F42: eight processes enqueue five hundred jobs each on twenty keys: one lives a key, through crash and retry',
    star: true,
    async run({ fleet, say, verdict }) {
      const worker = (): ReturnType<typeof fleet.worker> => fleet.worker({ concurrency: 8, lease: LEASE_MS })
      const [victim] = await Promise.all([worker(), worker()])
      await Promise.all(
        Array.from({ length: PROCESSES }, (_, i) =>
          fleet.producer({
            seed: i,
            prefix: `p${i}`,
            count: EACH,
            task: 'unique',
            keys: KEYS,
            failing: 0.1,
            workMs: 20,
            inFlight: 4,
          }),
        ),
      )
      await fleet.until('some have ended', (history) => ended(history) > 20)
      fleet.fault('kill', victim)
      await worker()
      await fleet.until('all is asked for', (history) => only(history, 'done').length === PROCESSES)
      await fleet.drained()
      const stored = only(fleet.history, 'accepted').filter((event) => event.as === undefined).length
      say(`${stored} of ${PROCESSES * EACH} were stored`)

      expect(await fleet.stop()).toEqual([0, 0])
      // With nobody at work, each key that is asked for takes one job: all of them were free again.
      await fleet.enqueue({ seed: 42, prefix: 'free', count: 200, task: 'unique', keys: KEYS })
      const free = only(fleet.history, 'accepted').slice(-200)
      expect(free.filter(({ as }) => as === undefined)).toHaveLength(KEYS)
      expect(free.every(({ as = 'free' }) => as.startsWith('free'))).toBe(true)
      await worker()
      await fleet.drained()
      expect(await fleet.stop()).toEqual([0])
      const { figures } = await verdict()
      expect(figures.accepted).toBeLessThan(figures.asked)
    },
  },
]

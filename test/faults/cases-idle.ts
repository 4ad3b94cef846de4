// What years bring, pressed into a minute: work in waves, after which a worker holds as much as before; and idleness, after
// which a job is picked up at once. OFFSTAGE_IDLE_S makes the idleness as long as one likes (600 for ten minutes).
import { expect } from 'vitest'
import { unfinished } from './final.ts'
import type { Process } from './fleet.ts'
import type { Of } from './history.ts'
import { only } from './reading.ts'
import type { Arena, FaultCase } from './suite.ts'
import { quietTask } from './tasks.ts'
import { lasting, until } from './time.ts'

const IDLE_MS = Number(process.env.OFFSTAGE_IDLE_S ?? 10) * 1_000
const PICKUP_MS = 1_000
/** Until the engine has compiled and every pool has its size. */
const WARM_WAVES = 5
const WAVES = 12
const WAVE = 1_500
const WAVE_MS = 1_500
const PAUSE_MS = 100
const LOOKS_MS = 2_000
const MINUTE_MS = 60_000
const SLOPE_BYTES = 1_000_000

type Resources = Of<'gauge'>['resources']

export const idleCases: readonly FaultCase[] = [
  {
    title: 'F51: waves of work leave nothing behind, and after an idle time a job is picked up at once',
    timeoutMs: IDLE_MS + 180_000,
    async run(arena) {
      const { fleet, watch, say, atEnd } = arena
      const way = { node: ['--expose-gc'] }
      const worker = await fleet.worker({ concurrency: 20, lease: '15s' }, { only: ['quiet', 'work'], way })
      const app = await fleet.app()
      atEnd(() => app.close())
      const broker = await app.broker()
      const quiet = quietTask(app, () => undefined)
      const gauges: Of<'gauge'>[] = []
      for (let wave = 0; wave < WARM_WAVES + WAVES; wave += 1) {
        const from = Date.now()
        await quiet.enqueueMany(Array.from({ length: WAVE }, () => ({})))
        await until('the wave has ended', async () => (await unfinished(broker)) === 0)
        await lasting(WAVE_MS - (Date.now() - from))
        gauges.push(await gauge(arena, worker))
      }
      const warm = gauges.slice(WARM_WAVES)
      const slope = slopeOf(warm.map(({ at, heapBytes }) => [at, heapBytes])) * MINUTE_MS
      say(`${WAVE * WAVES} jobs: the heap grew by ${Math.round(slope / 1_000)} kB a minute`)
      expect(slope).toBeLessThan(SLOPE_BYTES)

      await lasting(IDLE_MS)
      const before = Date.now()
      await fleet.enqueue({ seed: 51, prefix: 'late', count: 1 })
      const run = await fleet.until('it runs', (history) => only(history, 'run')[0])
      watch.check(`a job after ${IDLE_MS / 1_000} idle seconds`, run.at - before, PICKUP_MS)
      await fleet.drained()
      await lasting(WAVE_MS)
      // A call that is under way just then holds its socket, so it is looked at again.
      let resources: Resources = {}
      const look = async (): Promise<boolean> => {
        resources = (await gauge(arena, worker)).resources
        return noMoreThan(warm, resources)
      }
      const tail = (): string => JSON.stringify(resources)
      await until('it holds no more than in a wave', look, { everyMs: PAUSE_MS, limitMs: LOOKS_MS, tail })
      say(`holds ${tail()}`)
      expect(await fleet.stop()).toEqual([0])
    },
  },
]

/** Timers come and go; of nothing else is there more than there was in a wave. */
function noMoreThan(waves: readonly Of<'gauge'>[], resources: Resources): boolean {
  return Object.entries(resources).every(
    ([kind, count]) =>
      kind === 'Timeout' ||
      kind === 'Immediate' ||
      waves.some(({ resources: held }) => count <= (held[kind] ?? 0)),
  )
}

async function gauge({ fleet }: Arena, { pid, process: worker }: Process): Promise<Of<'gauge'>> {
  const sofar = only(fleet.history, 'gauge').length
  worker.kill('SIGUSR2')
  return fleet.until(`process ${pid} has looked at itself`, (history) => only(history, 'gauge')[sofar])
}

/** Of the line that fits best. */
function slopeOf(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length
  const x = mean(points.map(([at]) => at))
  const y = mean(points.map(([, value]) => value))
  const over = points.reduce((sum, [at, value]) => sum + (at - x) * (value - y), 0)
  return over / points.reduce((sum, [at]) => sum + (at - x) ** 2, 0)
}

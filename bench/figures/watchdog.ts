// What it costs an event loop that nothing blocks to be watched: how much of its time it is awake while one handler waits,
// under the keeper's thread, which asks it again and again whether it turns, and under a keeper in the loop, which asks nothing.
// An upper bound, since renewals, polls and all else that an almost idle worker does are in it.
import { setTimeout as pause } from 'node:timers/promises'
import { count, fill, open, print } from './support.ts'

const SETTLE_MS = 2_000
const MEASURED_MS = count('seconds') * 1_000

const awake: { [keeper in 'thread' | 'loop']: number } = { thread: 0, loop: 0 }
const cpu: { [keeper in 'thread' | 'loop']: number } = { thread: 0, loop: 0 }
const system = await open()
for (const keeper of ['thread', 'loop'] as const) {
  await fill(system, 1)
  let begun: () => void = () => undefined
  const begins = new Promise<void>((resolve) => {
    begun = resolve
  })
  const over = new AbortController()
  const stop = await system.work(
    async () => {
      begun()
      await new Promise<void>((resolve) => over.signal.addEventListener('abort', () => resolve()))
    },
    10,
    { keeper },
  )
  await begins
  await pause(SETTLE_MS)
  const before = performance.eventLoopUtilization()
  const used = process.cpuUsage()
  await pause(MEASURED_MS)
  awake[keeper] = performance.eventLoopUtilization(before).utilization * 100
  const { user, system: kernel } = process.cpuUsage(used)
  cpu[keeper] = ((user + kernel) / 1_000 / MEASURED_MS) * 100
  over.abort()
  await stop()
}
print({ watched: awake.thread, unwatched: awake.loop, cpuWatched: cpu.thread, cpuUnwatched: cpu.loop })
await system.close()

// What it costs that a thread keeps the leases: the same drain with the thread and without it, in turns, in one process.
import { count, fill, open, percentile, print } from './support.ts'

const TURNS = 4
const jobs = count('jobs')
const system = await open()
const rates: { [keeper in 'thread' | 'loop']: number[] } = { thread: [], loop: [] }
const costs: { [keeper in 'thread' | 'loop']: number[] } = { thread: [], loop: [] }

for (let turn = 0; turn < 2 * TURNS; turn += 1) {
  const keeper = turn % 2 === 0 ? 'thread' : 'loop'
  let ended = 0
  let warm: () => void = () => undefined
  let finish: () => void = () => undefined
  const isWarm = new Promise<void>((resolve) => {
    warm = resolve
  })
  const finished = new Promise<void>((resolve) => {
    finish = resolve
  })
  await fill(system, jobs)
  const stop = await system.work(
    () => {
      ended += 1
      // By then the thread has started and keeps the leases.
      if (ended === Math.ceil(jobs / 2)) warm()
      if (ended === jobs) finish()
    },
    100,
    { keeper },
  )
  await isWarm
  const before = ended
  const cpu = process.cpuUsage()
  const start = performance.now()
  await finished
  const { user, system: kernel } = process.cpuUsage(cpu)
  rates[keeper].push((jobs - before) / (performance.now() - start))
  costs[keeper].push((user + kernel) / (jobs - before))
  await stop()
}
const median = (values: readonly number[]): number => percentile(values, 0.5)
print({ rate: median(rates.thread) / median(rates.loop), cpu: median(costs.thread) / median(costs.loop) })
await system.close()

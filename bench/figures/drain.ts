// How fast one worker process runs no-op jobs that stand ready (`waiting`), until `jobs` of them have started; and how
// long its event loop was held meanwhile. The first 1,000 are not counted: they pay for connecting and for warming up.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { args, count, fill, open, print, timed } from './support.ts'

const system = await open()
const jobs = count('jobs')
await fill(system, count('waiting'))

let started = 0
let warm: () => void = () => undefined
let finish: () => void = () => undefined
const isWarm = new Promise<void>((resolve) => {
  warm = resolve
})
const finished = new Promise<void>((resolve) => {
  finish = resolve
})
const stop = await system.work(
  () => {
    started += 1
    if (started === Math.min(1_000, jobs - 1)) warm()
    if (started === jobs) finish()
  },
  Number(args.concurrency ?? 100),
)
await isWarm
const delay = monitorEventLoopDelay({ resolution: 1 })
let before = 0
const seconds = await timed(() => {
  before = started
  delay.enable()
  return finished
})
delay.disable()
print({ rate: (jobs - before) / seconds, loopDelayP99Ms: delay.percentile(99) / 1e6 })
await stop()
await system.close()

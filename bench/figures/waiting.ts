// How close one worker comes to the ideal with 1,000 jobs at a time that wait for 100 ms each. The first 5,000 are not
// counted, nor are the last, when slots stay empty.
import { setTimeout as pause } from 'node:timers/promises'
import { count, fill, open, print, timed } from './support.ts'

const CONCURRENCY = 1_000
const JOB_MS = 100
const WARM_UP = 5_000

const system = await open()
const jobs = count('jobs')
const last = jobs - CONCURRENCY
const first = Math.min(WARM_UP, last / 2)
await fill(system, jobs)

let ended = 0
const reached = new Map<number, () => void>()
const after = (number: number): Promise<void> =>
  new Promise((resolve) => {
    reached.set(number, resolve)
  })
const [warm, finished, all] = [after(first), after(last), after(jobs)]
const stop = await system.work(async () => {
  await pause(JOB_MS)
  ended += 1
  reached.get(ended)?.()
}, CONCURRENCY)
await warm
const seconds = await timed(() => finished)
const rate = (last - first) / seconds
print({ rate, percent: (rate * JOB_MS) / CONCURRENCY / 10 })
await all
await stop()
await system.close()

// How fast one worker process runs no-op jobs that stand ready (`waiting`), until `jobs` of them are done; and how
// long its event loop was held meanwhile.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { args, input, mail, makeApp, print } from './support.ts'

const { folder = '', jobs = '100000', waiting = '100000' } = args()
const app = makeApp(folder)
let done = 0
let finish: () => void = () => undefined
const finished = new Promise<void>((resolve) => {
  finish = resolve
})
const task = app.task({
  name: 'mail',
  input: mail,
  run: () => {
    done += 1
    if (done === Number(jobs)) finish()
  },
})

for (let left = Number(waiting); left > 0; left -= 50_000) {
  await task.enqueueMany(Array.from({ length: Math.min(left, 50_000) }, (_, n) => input(n)))
}
const worker = app.worker({ concurrency: 100 })
const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()
const start = performance.now()
await worker.start()
await finished
const seconds = (performance.now() - start) / 1_000
delay.disable()
print({ rate: Number(jobs) / seconds, loopDelayP99Ms: delay.percentile(99) / 1e6 })
await worker.stop()
await app.close()

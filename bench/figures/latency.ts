// How long an idle worker takes from the call of `enqueue` to the start of the handler, in the same process or in
// another one on the same file. 300 jobs, one after the other, with a pause in which the worker falls idle again.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { args, mail, makeApp, percentile, print } from './support.ts'

const { folder = '', where, role } = args()
const app = makeApp(folder)
const nowMs = (): number => performance.timeOrigin + performance.now()
let started: (at: number) => void = () => undefined
const task = app.task({
  name: 'mail',
  input: mail,
  run: () => (role === 'worker' ? void process.send?.(nowMs()) : started(nowMs())),
})

if (role === 'worker') {
  await app.worker({ concurrency: 10 }).start()
  process.send?.('ready')
  process.on('disconnect', () => process.exit())
} else {
  await measure()
}

async function measure(): Promise<void> {
  const stop = where === 'other' ? await startChild() : await startHere()
  const latencies: number[] = []
  for (let n = 0; n < 320; n += 1) {
    const begun = nowMs()
    const seen = new Promise<number>((resolve) => {
      started = resolve
    })
    void task.enqueue({ to: 'reader@books.example', subject: 'A new edition of it is here!!!!', n })
    latencies.push((await seen) - begun)
    await pause(20)
  }
  const warm = latencies.slice(20)
  print({ p50: percentile(warm, 0.5), p99: percentile(warm, 0.99) })
  await stop()
  await app.close()
}

async function startHere(): Promise<() => Promise<void>> {
  const worker = app.worker({ concurrency: 10 })
  await worker.start()
  return () => worker.stop()
}

async function startChild(): Promise<() => Promise<void>> {
  const child: ChildProcess = fork(new URL(import.meta.url).pathname, [`folder=${folder}`, 'role=worker'], {
    execArgv: ['--import', 'tsx'],
  })
  await once(child, 'message')
  child.on('message', (at: number) => started(at))
  return async () => {
    child.disconnect()
    await once(child, 'exit')
  }
}

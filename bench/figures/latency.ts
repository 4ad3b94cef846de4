// How long an idle worker takes from the call of `enqueue` to the start of the handler, in the same process or in
// another one. One job after the other, with a pause in which the worker falls idle again: of 15 ms, or of `gap`.
import { setTimeout as pause } from 'node:timers/promises'
import { args, count, input, nowMs, open, percentile, print, startRole, stopRole } from './support.ts'

const system = await open()
let seen: (at: number) => void = () => undefined

if (args.role === 'worker') {
  await system.work(() => process.send?.(nowMs()), 10)
  process.send?.('ready')
  process.on('disconnect', () => process.exit())
} else {
  await measure()
}

async function measure(): Promise<void> {
  const stop = args.where === 'other' ? await elsewhere() : await system.work(() => seen(nowMs()), 10)
  const warmUp = 20
  const gapMs = args.gap === undefined ? 15 : count('gap')
  const latencies: number[] = []
  for (let n = 0; n < count('samples') + warmUp; n += 1) {
    const begun = nowMs()
    const started = new Promise<number>((resolve) => {
      seen = resolve
    })
    await system.enqueue(input(n))
    latencies.push((await started) - begun)
    await pause(gapMs)
  }
  const warm = latencies.slice(warmUp)
  print({ p50: percentile(warm, 0.5), p99: percentile(warm, 0.99) })
  await stop()
  await system.close()
}

async function elsewhere(): Promise<() => Promise<void>> {
  const child = await startRole('worker')
  child.on('message', (at: number) => seen(at))
  return () => stopRole(child)
}

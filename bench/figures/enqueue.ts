// How fast jobs are accepted: in bulk (`mode=bulk call=1000`), or one at a time with 64 calls in flight.
import { args, input, mail, makeApp, print } from './support.ts'

const { folder = '', mode, call = '1000' } = args()
const app = makeApp(folder)
const task = app.task({ name: 'mail', input: mail, run: () => undefined })
const total = mode === 'bulk' ? 200_000 : 60_000
const size = mode === 'bulk' ? Number(call) : 1

await task.enqueueMany(Array.from({ length: 5_000 }, (_, n) => input(n))) // warm
const inputs = Array.from({ length: total }, (_, n) => input(n))
const start = performance.now()
if (mode === 'bulk')
  for (let at = 0; at < total; at += size) await task.enqueueMany(inputs.slice(at, at + size))
else await inFlight(64)
print({ rate: total / ((performance.now() - start) / 1_000) })
await app.close()

async function inFlight(lanes: number): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    for (let n = next++; n < total; n = next++) await task.enqueue(input(n))
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

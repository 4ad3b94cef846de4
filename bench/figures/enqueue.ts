// How fast jobs are accepted: in bulk (`mode=bulk call=1000`), or one at a time with 64 calls in flight.
// `warm` single calls come first and are not counted.
import { args, count, fill, input, inputs, open, print, timed } from './support.ts'

const system = await open()
const total = count('jobs')
const call = Number(args.call ?? 1_000)
await fill(system, 5_000) // warm, but for single calls
await inFlight(Number(args.warm ?? 2_000))
const prepared = inputs(total)
const seconds = await timed(() => (args.mode === 'bulk' ? inBulk() : inFlight(total)))
print({ rate: total / seconds })
await system.close()

async function inBulk(): Promise<void> {
  for (let at = 0; at < total; at += call) await system.enqueueMany(prepared.slice(at, at + call))
}

async function inFlight(amount: number): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    for (let n = next++; n < amount; n = next++) await system.enqueue(input(n))
  }
  await Promise.all(Array.from({ length: 64 }, lane))
}

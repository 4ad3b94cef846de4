// What a great many jobs leave in PostgreSQL: `jobs` are enqueued and drained by one worker, and nobody vacuums but the
// server by itself. Says the bytes of a waiting job, the bytes that are left for each job that has ended, and the dead
// row versions, those that are there and those that were made, for a thousand jobs. And, since the long queue is there,
// the rate of a drain of `sample` jobs of it over that with a short one.
import { setTimeout as pause } from 'node:timers/promises'
import { deadRows, schemaBytes } from './postgres-info.ts'
import { args, count, fill, open, print, timed } from './support.ts'

/** Sessions that have ended have told what they did; one that stays tells it within a second. */
const STATISTICS_MS = 2_000
const WARM = 1_000

const jobs = count('jobs')
const sample = count('sample')
const short = await drain(`${args.broker}_short`, sample + 10_000, sample)
const empty = await sized()
const long = await drain(args.broker ?? '', jobs, sample)
await pause(STATISTICS_MS)
const { left, made } = await deadRows()
print({
  ratio: long.rate / short.rate,
  waiting: (long.waitingBytes - empty) / jobs,
  ended: ((await schemaBytes()) - empty) / jobs,
  left: (left / jobs) * 1_000,
  made: (made / jobs) * 1_000,
  megabytes: (await schemaBytes()) / 1e6,
})

/** Before the first job. */
async function sized(): Promise<number> {
  const system = await open()
  await fill(system, 1)
  await system.close()
  return schemaBytes()
}

/** Drains all of `waiting`; the rate is that of the first of them. */
async function drain(
  broker: string,
  waiting: number,
  sample: number,
): Promise<{ rate: number; waitingBytes: number }> {
  const system = await open(broker)
  await fill(system, waiting)
  const waitingBytes = await schemaBytes()
  let started = 0
  const marks = [WARM, sample, waiting].map(signal)
  const stop = await system.work(() => {
    started += 1
    for (const mark of marks) if (started === mark.at) mark.reach()
  }, 100)
  await marks[0]?.reached
  const seconds = await timed(() => marks[1]?.reached ?? Promise.resolve())
  await marks[2]?.reached
  await stop()
  await system.close()
  return { rate: (sample - WARM) / seconds, waitingBytes }
}

function signal(at: number): { at: number; reach: () => void; reached: Promise<void> } {
  let reach = (): void => undefined
  const reached = new Promise<void>((resolve) => {
    reach = resolve
  })
  return { at, reach, reached }
}

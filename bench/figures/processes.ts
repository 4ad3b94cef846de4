// What a second worker process brings: the rate of two that drain one backlog, over that of one. Nobody enqueues
// meanwhile. Both run in processes of their own, and this one only listens.
import { args, count, fill, nowMs, open, print, startRole, stopRole } from './support.ts'

/** A worker tells how far it is after so many jobs: few enough that what two of them have not told yet is little. */
const STEP = Math.min(100, Math.ceil(count('jobs') / 50))

if (args.role === 'worker') await work()
else await measure()

async function measure(): Promise<void> {
  const one = await drain(1, 'one')
  const two = await drain(2, 'two')
  print({ ratio: two / one, one, two })
}

/** Jobs a second from when all workers are well under way until nine tenths of the backlog are done. */
async function drain(processes: number, name: string): Promise<number> {
  const broker = `${args.broker}_${name}`
  const jobs = count('jobs')
  const system = await open(broker)
  await fill(system, jobs)
  await system.close()
  const workers = await Promise.all(Array.from({ length: processes }, () => startRole('worker')))

  const started = workers.map(() => 0)
  let begun: { readonly at: number; readonly total: number } | undefined
  const rate = await new Promise<number>((resolve, reject) => {
    for (const [index, worker] of workers.entries()) {
      worker.on('exit', (code) => reject(new Error(`a worker has ended with ${code}`)))
      worker.on('message', (at: number) => {
        started[index] = (started[index] ?? 0) + STEP
        const total = started.reduce((sum, each) => sum + each, 0)
        if (begun === undefined && started.every((each) => each >= 2 * STEP)) begun = { at, total }
        if (total < jobs * 0.9) return
        if (begun === undefined) reject(new Error('a worker came too late for this backlog'))
        else resolve(((total - begun.total) / (at - begun.at)) * 1_000)
      })
      worker.send(broker)
    }
  })
  await Promise.all(workers.map(stopRole))
  return rate
}

async function work(): Promise<void> {
  process.on('disconnect', () => process.exit())
  process.once('message', async (broker: string) => {
    const system = await open(broker)
    let started = 0
    await system.work(() => {
      started += 1
      if (started % STEP === 0) process.send?.(nowMs())
    }, 100)
  })
  process.send?.('ready')
}

// What threads bring to work that computes, and what they cost where there is none: the rate of computing jobs in threads
// over that inline, how long a ping of the same process takes meanwhile, and what the hop to a thread adds to a job.

import { subscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { Task } from 'offstage'
import { args, count, percentile, print, startRole, stopRole, timed } from './support.ts'

/** Between one ping and the next. */
const PING_MS = 5

if (args.role === 'ping') await ping()
else await measure()

async function measure(): Promise<void> {
  // The threads hear of it too.
  process.env.BENCH_BROKER = args.broker
  const { app, computing, idle } = await import('./threads-tasks.ts')
  const server = createServer((_, response) => response.end('pong')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const pinger = await startRole('ping')
  const ended = countEnds()

  /** Seconds for so many jobs of a task, on a worker that has run some of them before. */
  const run = async (task: Task<never>, jobs: number, concurrency: number): Promise<number> => {
    await (task as Task<number>).enqueueMany(Array.from({ length: jobs + concurrency }, (_, n) => n))
    const warm = ended(concurrency)
    const all = ended(jobs + concurrency)
    const worker = app.worker({ tasks: [task], concurrency, threads: { max: concurrency } })
    await worker.start()
    await warm
    const seconds = await timed(() => all)
    await worker.stop()
    return seconds
  }
  /** The same, with the pings that were answered meanwhile. */
  const pinged = async (task: Task<never>, jobs: number): Promise<{ seconds: number; p99: number }> => {
    pinger.send({ port: (server.address() as AddressInfo).port })
    await once(pinger, 'message')
    const seconds = await run(task, jobs, 2)
    pinger.send({ stop: true })
    const [p99] = (await once(pinger, 'message')) as [number]
    return { seconds, p99 }
  }

  const jobs = count('jobs')
  const inline = await pinged(computing.inline as Task<never>, jobs)
  const threads = await pinged(computing.thread as Task<never>, jobs)
  const hops = count('hops')
  const times = timeAttempts()
  await run(idle.inline as Task<never>, hops, 1)
  const empty = percentile(times.splice(0), 0.5)
  await run(idle.thread as Task<never>, hops, 1)
  const hopped = percentile(times.splice(0), 0.5)
  const offloaded = await offload(hops)
  print({
    ratio: inline.seconds / threads.seconds,
    pingInline: inline.p99,
    pingThreads: threads.p99,
    hop: hopped - empty,
    offload: offloaded,
  })
  await stopRole(pinger)
  server.close()
  await app.close()
}

/** Answers promises of so many attempts having ended from then on. */
function countEnds(): (more: number) => Promise<void> {
  let ends = 0
  const waiting = new Set<{ readonly at: number; readonly resolve: () => void }>()
  subscribe('offstage:end', () => {
    ends += 1
    for (const one of waiting) {
      if (ends < one.at) continue
      waiting.delete(one)
      one.resolve()
    }
  })
  return (more) => new Promise((resolve) => waiting.add({ at: ends + more, resolve }))
}

/** Milliseconds from the start of each attempt to its end, one at a time. */
function timeAttempts(): number[] {
  const times: number[] = []
  let startedAt = 0
  subscribe('offstage:start', () => {
    startedAt = performance.now()
  })
  subscribe('offstage:end', () => times.push(performance.now() - startedAt))
  return times
}

/** Milliseconds of one offloaded call of a function that does nothing, one after the other. */
async function offload(calls: number): Promise<number> {
  const { app } = await import('./threads-tasks.ts')
  const { noop } = app.offload<typeof import('./threads-tasks.ts')>(
    new URL('./threads-tasks.ts', import.meta.url),
  )
  for (let n = 0; n < 100; n += 1) await noop()
  const seconds = await timed(async () => {
    for (let n = 0; n < calls; n += 1) await noop()
  })
  return (seconds / calls) * 1_000
}

/** In a process of its own, so that what holds the loop of the other does not hold the measuring. */
async function ping(): Promise<void> {
  process.on('disconnect', () => process.exit())
  process.send?.('ready')
  for (;;) {
    const [{ port }] = (await once(process, 'message')) as [{ port: number }]
    let stopped = false
    void once(process, 'message').then(() => {
      stopped = true
    })
    process.send?.('pinging')
    const times: number[] = []
    while (!stopped) {
      const begun = performance.now()
      await new Promise<void>((resolve) => {
        get({ port, host: '127.0.0.1', agent: false }, (response) => response.resume().on('end', resolve)).on(
          'error',
          () => resolve(),
        )
      })
      times.push(performance.now() - begun)
      await pause(PING_MS)
    }
    process.send?.(percentile(times, 0.99))
  }
}

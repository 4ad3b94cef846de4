// How an attempt runs whose task belongs in a thread or a process: it waits for a place, hands over bytes, and hears
// what becomes of them. The executor asks here, and nowhere else.
import type { Payload } from '../../job/record.ts'
import type { Remote } from '../../task/definition.ts'
import { type Places, placesOf } from '../../task/places.ts'
import type { Attempt } from '../attempt.ts'
import { type ContextTools, JobContext } from '../context.ts'
import type { WorkerEnv } from '../env.ts'
import { RELEASED } from '../outcomes.ts'
import type { Host, Running } from './host.ts'
import { Pool } from './pool.ts'
import { alone, type Note, type RunRequest } from './protocol.ts'
import { unpack } from './thrown.ts'

export class RemoteRuns {
  readonly #tools: ContextTools
  readonly #pools: { readonly [K in Remote['runIn']]: Pool }

  constructor(env: WorkerEnv, tools: ContextTools) {
    this.#tools = tools
    const { threads, processes } = env.settings
    this.#pools = {
      thread: new Pool(placesOf(threads), () => openThreads(env, threads)),
      process: new Pool(placesOf(processes), () => openProcesses(env, processes)),
    }
  }

  /**
   * Runs the attempt to its ending, or throws what its handler threw, with the phase of the attempt set.
   *
   * @param begin starts the clock of the attempt; called once it has a place
   */
  async run(attempt: Attempt, remote: Remote, begin: () => void): Promise<void> {
    const place = await this.#pools[remote.runIn].enter(attempt.signal)
    if (attempt.ended) return place?.leave()
    if (place === undefined && attempt.aborted === undefined) attempt.ending = RELEASED
    else begin()
    if (place === undefined) return
    if (attempt.ending !== undefined) return place.leave()
    const running = place.start(requestOf(attempt, remote), (note) => this.#hear(attempt, note))
    attempt.kill = running.kill
    await ended(attempt, running)
  }

  /** What waits for a place is given back. */
  shut(): void {
    for (const pool of Object.values(this.#pools)) pool.shut()
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.#pools).map((pool) => pool.close()))
  }

  #hear(attempt: Attempt, note: Note): void {
    if (note.kind === 'log') new JobContext(attempt, this.#tools, undefined).log[note.level](note.text)
    else if (!attempt.ended) this.#tools.notes.progress(attempt.claim, note.value)
  }
}

async function ended(attempt: Attempt, running: Running): Promise<void> {
  const forward = (): void => {
    if (attempt.aborted === undefined) return
    const { code, message } = attempt.aborted
    running.abort({ kind: 'abort', code, message })
  }
  attempt.signal.addEventListener('abort', forward, { once: true })
  try {
    const done = await running.done
    if (done.ok) {
      attempt.ending = { kind: 'succeeded', result: done.value as Payload }
      return
    }
    attempt.phase = done.phase
    throw done.heeded ? attempt.aborted : unpack(done.thrown)
  } finally {
    attempt.kill = undefined
    attempt.signal.removeEventListener('abort', forward)
  }
}

function requestOf({ job }: Attempt, { module }: Remote): RunRequest {
  const progress = job.progress === undefined ? {} : { progress: alone(job.progress) }
  return { kind: 'run', module, job: { ...job, input: alone(job.input), ...progress } }
}

async function openThreads({ clock, logger }: WorkerEnv, places: Places): Promise<Host> {
  const { ThreadHost } = await import('./threads.ts')
  return new ThreadHost({ max: placesOf(places), memoryBytes: places.memoryBytes, clock, logger })
}

async function openProcesses({ clock }: WorkerEnv, { memoryBytes }: Places): Promise<Host> {
  const { ProcessHost } = await import('./processes.ts')
  return new ProcessHost({ memoryBytes, clock })
}

// A process of a world with a worker in it: the real one, on a clock and a line of its own. It can be stopped well,
// killed, and made to stand still.

import type { Broker } from '../../src/broker/contract.ts'
import { decodeJson, encodeJson } from '../../src/job/codec.ts'
import { checkSerialisable } from '../../src/job/json.ts'
import { storedError } from '../../src/job/stored-error.ts'
import type { LogFields, Logger } from '../../src/runtime/logger.ts'
import type { RunnableTask } from '../../src/task/runnable.ts'
import { Worker } from '../../src/worker/worker.ts'
import type { Random } from '../support/random.ts'
import { Conduct } from './conduct.ts'
import { perform } from './handler.ts'
import type { History } from './history.ts'
import { type Jobs, RETRY, TASKS } from './jobs.ts'
import type { Ledger } from './ledger.ts'
import { Line, type Weather } from './line.ts'
import type { WorkerPlan } from './nature.ts'
import { Life, ProcessClock, type Timeline } from './time.ts'

/** What all processes of a world share. */
export interface Surroundings {
  readonly time: Timeline
  readonly random: Random
  readonly history: History
  readonly ledger: Ledger
  readonly jobs: Jobs
  /** The broker at its door. */
  readonly door: Broker
  readonly weather: () => Weather
  readonly rough: boolean
  readonly onKill: (process: WorkerProcess) => void
}

/** How long `stop()` may take beyond the grace. */
const STOP_MS = 1_000
/** A timer that is late is none of the worker's. */
const SLACK_MS = 50

export class WorkerProcess {
  readonly name: string
  readonly plan: WorkerPlan
  readonly world: Surroundings
  readonly life: Life = new Life()
  readonly clock: ProcessClock
  readonly conduct: Conduct
  readonly line: Line
  readonly worker: Worker
  state: 'starting' | 'up' | 'stopping' | 'stopped' | 'killed' = 'starting'
  /** What it stood still since it was told to stop. */
  #stoodMs = 0

  constructor(name: string, plan: WorkerPlan, world: Surroundings) {
    this.name = name
    this.plan = plan
    this.world = world
    const { time, random, history, ledger, rough, door, weather } = world
    const { life } = this
    this.clock = new ProcessClock(time, random, { life, rough })
    this.conduct = new Conduct(name, history, ledger)
    this.line = new Line({ name, time, random, history, life, conduct: this.conduct, weather, door })
    const own = `probe-${name}`
    this.worker = new Worker({
      broker: this.line.broker,
      tasks: [...plan.knows.map((task) => this.#task(task, TASKS[task])), this.#task(own, own)],
      middleware: [],
      logger: this.#logger(),
      clock: this.clock,
      options: {
        ...plan.options,
        ...(plan.queues === undefined ? {} : { queues: [own, ...plan.queues] }),
      },
    })
  }

  /** Tries until it is started or stopped, as the command line does. */
  start(): void {
    const { history, time } = this.world
    this.worker.start().then(
      () => {
        if (this.state === 'starting') this.state = 'up'
        history.add(this.name, 'started')
      },
      () => {
        history.add(this.name, 'could not start')
        time.after(500, () => this.state === 'starting' && this.start(), this.life)
      },
    )
  }

  stop(graceMs: number): void {
    if (this.state === 'killed' || this.state === 'stopped') return
    const { history, time } = this.world
    history.add(this.name, 'told to stop', graceMs)
    this.state = 'stopping'
    this.conduct.stopping = true
    const toldAt = time.now - this.#stoodMs
    let done = false
    const look = (): void => {
      if (done || this.state === 'killed') return
      const leftMs = toldAt + graceMs + STOP_MS + SLACK_MS + this.#stoodMs - time.now
      if (leftMs > 0) time.after(leftMs + 0.01, look, this.life)
      else history.broken(`${this.name} has not stopped ${STOP_MS} ms after its grace of ${graceMs} ms`)
    }
    look()
    void this.worker.stop({ grace: graceMs }).then(() => {
      done = true
      history.add(this.name, 'stopped')
      if (this.state !== 'killed') this.state = 'stopped'
      this.conduct.stopped = true
      this.line.end()
    })
  }

  kill(): void {
    if (this.state === 'killed' || this.state === 'stopped') return
    this.world.history.add(this.name, 'killed')
    this.world.history.deal('kill')
    this.state = 'killed'
    this.life.gone = true
    this.line.end()
    this.world.ledger.setSound(this.worker.id, false)
    this.world.onKill(this)
  }

  /** As by SIGSTOP, or by a handler that holds the loop. */
  freeze(ms: number): void {
    const { time, history, ledger } = this.world
    if (this.life.frozen || this.life.gone) return
    history.add(this.name, 'stands still', ms)
    history.deal('freeze')
    this.life.frozen = true
    this.conduct.excused = true
    ledger.setSound(this.worker.id, false)
    this.#stoodMs += ms
    time.after(ms, () => {
      history.add(this.name, 'goes on')
      time.thaw(this.life)
    })
  }

  #task(name: string, queue: string): RunnableTask {
    return {
      name,
      queue,
      retry: RETRY,
      readInput: decodeJson,
      writeOutput: (value) => {
        checkSerialisable(value, 'result')
        return encodeJson(value)
      },
      run: (input, ctx) => perform(this, input, ctx),
      ...(name === 'limited' ? { limit: { concurrency: 1 } } : {}),
      ...(name === 'rated' ? { limit: { rate: { count: 2, perMs: 1_000 } } } : {}),
      ...(name === 'parted' ? { partitionLimit: { concurrency: 1 } } : {}),
    }
  }

  /** The library's own words belong to the history; a failure in a part of it is a trouble. */
  #logger(): Logger {
    const { history } = this.world
    const log =
      (level: string): Logger['info'] =>
      (first: string | LogFields, second?: string) => {
        const fields = typeof first === 'string' ? {} : first
        const error = 'error' in fields ? storedError(fields.error) : undefined
        if (GIVEN_UP.test(second ?? '')) this.conduct.gaveUp(fields.token)
        history.add(this.name, level, typeof first === 'string' ? first : second, error?.message)
        if (error !== undefined && BUGS.has(error.name)) history.broken(`${this.name} met a ${error.message}`)
      }
    return { debug: () => undefined, info: log('info'), warn: log('warn'), error: log('error') }
  }
}

const GIVEN_UP = /^an outcome was not recorded/
/** Errors that only a mistake in the library throws. */
const BUGS = new Set(['TypeError', 'RangeError', 'ReferenceError'])

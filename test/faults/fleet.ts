// The processes of one fault test: starts producers and workers on a broker, does them harm by their pids, waits for what
// the history says, and reads what the broker holds at the end. Knows brokers by URL only.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { App, AppOptions, AppWorkerOptions, Broker } from '../../src/index.ts'
import type { Final } from './checker.ts'
import { finalOf, unfinished } from './final.ts'
import { type Event, HistoryReader, HistoryWriter } from './history.ts'
import { type Orders, type Plan, planOf } from './plan.ts'
import { produce, tasksOf } from './tasks.ts'
import { inTime, until } from './time.ts'

type Open = typeof import('../../src/brokers/open.ts')
type Library = typeof import('../../src/index.ts')

const setup = new URL('../../scripts/setup.mjs', import.meta.url).href
const { isBuilt } = (await import(setup)) as { isBuilt(): boolean }
/** `dist` where it is up to date: what ships, and quicker to start. */
const built =
  process.env.OFFSTAGE_FAULTS_DIST ?? (isBuilt() ? new URL('../../dist/', import.meta.url).href : undefined)

/** Where the processes find a module of the library, such as `brokers/open`. */
export const moduleUrl = (path: string): string =>
  built === undefined
    ? new URL(`../../src/${path}.ts`, import.meta.url).href
    : new URL(`${path}.js`, built).href
const child = fileURLToPath(new URL('./child.ts', import.meta.url))

const SIGNALS = { kill: 'SIGKILL', stop: 'SIGSTOP', 'go-on': 'SIGCONT', term: 'SIGTERM' } as const

/** A write that takes longer waits for somebody who was stopped. */
const PROBE_MS = 1_000

interface WorkerExtras {
  readonly deaf?: boolean
  readonly fragile?: boolean
  readonly extraMs?: number
  readonly knows?: string
  /** The only tasks that it has. */
  readonly only?: readonly string[]
  /** Another way to the same namespace. */
  readonly broker?: string
  readonly ledger?: string
  readonly way?: Way
}

/** How a process is started. */
interface Way {
  /** Arguments of Node. */
  readonly node?: readonly string[]
  /** Keeps what it prints, in place of showing it. */
  readonly captured?: boolean
}

export interface Process {
  readonly pid: number
  readonly process: ChildProcess
  /** What it has printed, where that is kept. */
  readonly printed: () => string
  /** The exit code, or the signal that ended it. */
  readonly ended: Promise<number | string | null>
}

export class Fleet {
  readonly broker: string
  readonly #folder: string
  readonly #history: string
  readonly #writer: HistoryWriter
  readonly #reader: HistoryReader
  readonly #alive = new Set<Process>()
  #app: App | undefined

  /** @param url makes the URL of a new, empty namespace; the folder is for its files */
  constructor(url: (folder: string) => string) {
    this.#folder = mkdtempSync(join(tmpdir(), 'offstage-faults-'))
    this.broker = url(this.#folder)
    this.#history = join(this.#folder, 'history.jsonl')
    this.#writer = new HistoryWriter(this.#history)
    this.#reader = new HistoryReader(this.#history)
  }

  get history(): readonly Event[] {
    return this.#reader.read()
  }

  /** What is there and what was going on last, for who asks why a case does not end. */
  async tell(): Promise<string> {
    const alive = this.processes.map(({ pid }) => pid).join(', ')
    const held = await inTime(PROBE_MS, this.#held()).catch(String)
    const jobs = held === false ? 'the broker does not answer' : held
    return `processes that live: ${alive}\njobs that have not ended:\n${jobs}\n${tail(this.history)}`
  }

  async #held(): Promise<string> {
    const broker = await this.open()
    try {
      const { jobs } = await broker.list({ limit: 20, states: ['ready', 'active', 'scheduled', 'blocked'] })
      return jobs.map((job) => JSON.stringify({ ...job, input: undefined })).join('\n')
    } finally {
      await broker.close()
    }
  }

  get processes(): readonly Process[] {
    return [...this.#alive]
  }

  /**
   * @param broker another way to the same namespace
   * @param ledger the URL of a database with one
   */
  producer(
    plan: Partial<Plan> & Pick<Plan, 'seed' | 'prefix' | 'count'>,
    broker: string = this.broker,
    ledger?: string,
    way?: Way,
  ): Promise<Process> {
    const told = { ...this.#places(), broker, ledger, loud: way?.captured, plan: planOf(plan) }
    return this.#start({ ...told, role: 'producer' }, way)
  }

  worker(options: Omit<AppWorkerOptions, 'tasks'>, extras: WorkerExtras = {}): Promise<Process> {
    const {
      deaf = false,
      fragile = false,
      extraMs = 0,
      knows,
      only,
      broker = this.broker,
      ledger,
      way,
    } = extras
    const loud = way?.captured
    const told = { ...this.#places(), broker, ledger, loud, options, deaf, fragile, extraMs, knows, only }
    return this.#start({ ...told, role: 'worker' }, way)
  }

  /** Enqueues from this process, at once. */
  async enqueue(plan: Partial<Plan> & Pick<Plan, 'seed' | 'prefix' | 'count'>): Promise<void> {
    this.#app ??= await this.app()
    const never = (): never => {
      throw new Error('this process only enqueues')
    }
    await produce(tasksOf(this.#app, never), planOf(plan), this.#writer)
  }

  /** An app in this process. Whoever asks for it closes it. */
  async app(options: AppOptions = {}): Promise<App> {
    const { offstage } = (await import(moduleUrl('index'))) as Library
    return offstage({ broker: this.broker, ...options })
  }

  /** The broker itself. Whoever asks for it closes it. */
  async open(): Promise<Broker> {
    const { openBroker } = (await import(moduleUrl('brokers/open'))) as Open
    const broker = await openBroker(this.broker)
    await broker.open()
    return broker
  }

  /**
   * Writes down harm to what is between everybody and their answers, before it is done and when it is over: whatever is
   * in hand at either moment may run again. Answers the moment. `long`: leases may end meanwhile.
   */
  outage(what: string, { long = false } = {}): number {
    this.#writer.write({ e: 'fault', kind: 'outage', what, long }, 0)
    return Date.now()
  }

  /** Does harm to a process, and writes it down first: what it held then was in hand. */
  fault(kind: keyof typeof SIGNALS, { pid, process }: Process): void {
    if (process.exitCode !== null || process.signalCode !== null)
      throw new Error(`process ${pid} has ended by itself`)
    // Between the line and the signal the process goes on for a moment: stopped first, nothing happens in between.
    if (kind === 'kill') process.kill('SIGSTOP')
    if (kind === 'stop') process.kill('SIGSTOP')
    this.#writer.write({ e: 'fault', kind }, pid)
    if (kind !== 'stop') process.kill(SIGNALS[kind])
  }

  /** Writes down that a process has died by itself: what it held was in hand. */
  died({ pid }: Process): void {
    this.#writer.write({ e: 'fault', kind: 'kill' }, pid)
  }

  /** A place for a file of a case. */
  file(name: string): string {
    return join(this.#folder, name)
  }

  /**
   * Stops a process, but not in the middle of a write of its own: on an embedded store that would hold the lock of the
   * file, and with it everybody, until the process goes on.
   */
  async freeze(process: Process): Promise<void> {
    const broker = await this.open()
    const probe = { id: 'probe', host: 'test', pid: 1, queues: [], tasks: [], concurrency: 1, active: 0 }
    try {
      for (let tries = 1; tries <= 20; tries += 1) {
        this.fault('stop', process)
        const beat = broker.beat({ ...probe, startedAt: 0, state: 'running' }, 1).then(() => true)
        if (await inTime(PROBE_MS, beat)) return
        this.fault('go-on', process)
        await beat
      }
      throw new Error(`process ${process.pid} was never stopped outside of a write`)
    } finally {
      await broker.close()
    }
  }

  /** Waits until the history says so; the answer is what `seen` made of it. */
  until<T>(
    what: string,
    seen: (history: readonly Event[]) => T | undefined | false,
    limitMs = 30_000,
  ): Promise<T> {
    return until(what, () => seen(this.history), { limitMs, tail: () => tail(this.history) })
  }

  /** Waits until nothing is waiting or active in the broker. */
  async drained(limitMs = 60_000): Promise<void> {
    const broker = await this.open()
    try {
      await until('all is drained', async () => (await unfinished(broker)) === 0, {
        limitMs,
        everyMs: 50,
        tail: () => this.tell(),
      })
    } finally {
      await broker.close()
    }
  }

  /** What the broker holds. */
  async final(): Promise<Final> {
    const broker = await this.open()
    try {
      return await finalOf(broker)
    } finally {
      await broker.close()
    }
  }

  /** Lets all workers that still live end well. Answers their exit codes. */
  async stop(): Promise<(number | string | null)[]> {
    const alive = this.processes
    // A producer that is done is on its way out by itself.
    const done = new Set(this.history.flatMap(({ e, pid }) => (e === 'done' ? [pid] : [])))
    const workers = alive.filter(({ pid }) => !done.has(pid))
    for (const process of workers) this.fault('term', process)
    await Promise.all(alive.map(({ ended }) => ended))
    return Promise.all(workers.map(({ ended }) => ended))
  }

  async dispose(): Promise<void> {
    for (const { process } of this.#alive) process.kill('SIGKILL')
    await Promise.all(this.processes.map(({ ended }) => ended))
    await this.#app?.close()
    this.#writer.close()
    this.#reader.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #places(): { library: string; broker: string; history: string } {
    return { library: moduleUrl('index'), broker: this.broker, history: this.#history }
  }

  /** Resolves when the process has its broker's library loaded; what it then does, the history tells. */
  async #start(orders: Orders, { node = [], captured = false }: Way = {}): Promise<Process> {
    const args = [...node, '--import', 'tsx', child, JSON.stringify(orders)]
    const out = captured ? 'pipe' : 'inherit'
    // The pipe tells it when this process is gone, however it went.
    const spawned = spawn(process.execPath, args, { stdio: ['pipe', out, out] })
    let text = ''
    for (const stream of [spawned.stdout, spawned.stderr])
      stream?.setEncoding('utf8').on('data', (part: string) => {
        text += part
      })
    const { pid } = spawned
    if (pid === undefined) throw new Error('a process could not be started')
    const ended = once(spawned, 'exit').then(([code, signal]) => (code ?? signal) as number | string | null)
    const started: Process = { pid, process: spawned, ended, printed: () => text }
    this.#alive.add(started)
    void ended.then(() => this.#alive.delete(started))
    await this.until(`process ${pid} is up`, (history) => {
      if (history.some((event) => event.e === 'up' && event.pid === pid)) return true
      if (!this.#alive.has(started)) throw new Error(`process ${pid} has ended by itself\n${tail(history)}`)
      return undefined
    })
    return started
  }
}

function tail(history: readonly Event[]): string {
  return history
    .slice(-20)
    .map((event) => JSON.stringify(event))
    .join('\n')
}

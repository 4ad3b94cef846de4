// The thread of a worker's keeper: renews leases, runs the broker's upkeep and shows the worker, over a connection of its
// own, whether the event loop of the worker turns or not; and watches whether it does.
import { writeSync } from 'node:fs'
import { type MessagePort, parentPort } from 'node:worker_threads'
import type { Broker } from '../../broker/contract.ts'
import type { Reopen } from '../../broker/reaching.ts'
import { storedError } from '../../job/stored-error.ts'
import { type Clock, processMs, sleep, systemClock } from '../../runtime/clock.ts'
import { formatMs } from '../../runtime/durations.ts'
import { type LogFields, type Logger, silentLogger } from '../../runtime/logger.ts'
import { backoffMs, type WorkerEnv } from '../env.ts'
import { PatientBroker } from '../patient.ts'
import { Presence } from '../presence.ts'
import { Upkeep } from '../upkeep.ts'
import { Board, type Row } from './board.ts'
import { Keeper } from './keeper.ts'
import type { Beginning, FromKeeper, RowRef, ToKeeper } from './protocol.ts'
import { Returns } from './returns.ts'
import { type Sample, sampleMainThread } from './stack.ts'
import { unread } from './unread.ts'
import { type Block, Watchdog } from './watchdog.ts'

const MAX_BACKOFF_MS = 2_000
/** What is on its way when the thread is told to end has that long. */
const LEAVE_MS = 400

/** So that moments on the board mean the same in both threads. */
const clock: Clock = { ...systemClock, monotonic: processMs }

class KeeperThread {
  readonly #beginning: Beginning
  readonly #say: (message: FromKeeper) => void
  readonly #board: Board
  readonly #logger: Logger
  readonly #watchdog: Watchdog
  #broker: Broker | undefined
  #parts: { keeper: Keeper<Row>; upkeep: Upkeep; presence: Presence; returns: Returns } | undefined
  #stopping = false

  constructor(beginning: Beginning, say: (message: FromKeeper) => void) {
    const { board, settings, tasks } = beginning
    this.#beginning = beginning
    this.#say = say
    this.#board = new Board(board.capacity, tasks, board.memory)
    this.#logger = speaking(say)
    const watched = {
      board: this.#board,
      clock,
      warnMs: settings.warnBlockMs,
      maxMs: settings.maxBlockMs,
      patienceMs: settings.abandonAfterMs,
      always: settings.exitOnBlock,
    }
    this.#watchdog = new Watchdog(watched, {
      ask: (number) => say({ kind: 'question', number }),
      sample: () => this.#sample(),
      giveBack: () => this.#giveBack(),
      exceeded: (block) => this.#exceeded(block),
      over: (block) => say({ kind: 'blocked', block }),
    })
  }

  async start(): Promise<void> {
    const broker = await this.#open()
    if (broker === undefined) return
    const { worker, settings, tasks, startedAt } = this.#beginning
    const env: WorkerEnv = {
      worker,
      broker: new PatientBroker(broker, clock, settings.leaseMs),
      clock,
      logger: this.#logger,
      settings,
      concurrency: slotsOf(this.#board),
    }
    const keeper = new Keeper<Row>(env, {
      held: () => this.#board.rows().filter((row) => row.state !== 'taken' && this.#watchdog.keeps(row)),
      renewed: (row, leaseEnds) => this.#board.renewed(row, leaseEnds),
      lost: (row) => this.#tell('lost', [row]),
      cancelling: (row) => this.#tell('cancelling', [row]),
      arm: () => undefined,
    })
    const upkeep = new Upkeep(env, {
      hold: () => keeper.overdue,
      report: (done) => this.#say({ kind: 'maintained', done }),
    })
    const presence = new Presence(env, tasks, startedAt, () => this.#board.running)
    this.#parts = { keeper, upkeep, presence, returns: new Returns(env) }
    keeper.start()
    if (settings.maintain) upkeep.start()
    presence.start()
    this.#watchdog.start()
    this.#say({ kind: 'ready' })
  }

  stopping(): void {
    this.#stopping = true
    this.#parts?.presence.stopping()
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.race([this.#watchdog.stop(), sleep(clock, LEAVE_MS, { ref: true })])
    const parts = this.#parts
    if (parts !== undefined) {
      const { keeper, upkeep, presence, returns } = parts
      const ends = [keeper.stop(), upkeep.stop(), presence.leave(), returns.stop()]
      await Promise.race([Promise.allSettled(ends), sleep(clock, LEAVE_MS, { ref: true })])
    }
    await Promise.race([this.#broker?.close(), sleep(clock, LEAVE_MS, { ref: true })])
    this.#say({ kind: 'stopped' })
  }

  /** The event loop keeps the leases until this has succeeded, however long it takes. */
  async #open(): Promise<Broker | undefined> {
    const { module, data } = this.#beginning.broker
    const { reopen } = (await import(/* @vite-ignore */ module)) as { readonly reopen: Reopen }
    // What the broker has to say, its other half says in the event loop.
    const broker = await reopen(data as never, silentLogger, () => this.#gone())
    this.#broker = broker
    for (let tries = 1; !this.#stopping; tries += 1) {
      try {
        await broker.open()
        return broker
      } catch (error) {
        this.#logger.debug({ error: storedError(error) }, 'the keeper could not open the broker yet')
        await sleep(clock, backoffMs(tries, MAX_BACKOFF_MS), { ref: true })
      }
    }
    return undefined
  }

  /** The event loop starts another. */
  #gone(): void {
    if (!this.#stopping) process.exit(1)
  }

  #tell(kind: 'lost' | 'cancelling' | 'taken', rows: readonly RowRef[]): void {
    this.#say({ kind, claims: rows.map(({ row, serial }) => ({ row, serial })) })
  }

  #sample(): Promise<Sample | undefined> {
    if (!this.#beginning.samples) return Promise.resolve(undefined)
    const question = this.#board.answered
    return sampleMainThread(clock, () => this.#board.answered === question).catch((error: unknown) => {
      this.#logger.debug(
        { error: storedError(error) },
        'where the event loop is blocked could not be found out',
      )
      return undefined
    })
  }

  #giveBack(): void {
    const taken = this.#board
      .rows()
      .filter(({ state }) => state === 'waiting')
      .flatMap(({ row }) => this.#board.take(row) ?? [])
    if (taken.length > 0) {
      this.#tell('taken', taken)
      this.#parts?.returns.add(taken)
    }
    if (this.#board.seal()) void this.#giveBackUnread()
  }

  async #giveBackUnread(): Promise<void> {
    const { worker } = this.#beginning
    if (this.#broker === undefined) return
    try {
      const known = (): readonly Row[] | undefined => (this.#board.sealed ? this.#board.rows() : undefined)
      const found = await unread(this.#broker, worker, known)
      if (found.length > 0) this.#parts?.returns.add(found)
    } catch (error) {
      const text =
        'what a claim has brought to a blocked loop could not be found; it comes back when its leases end'
      this.#logger.debug({ error: storedError(error) }, text)
    }
  }

  /** The loop cannot say it, so this does, past it. */
  #exceeded({ blockedMs, culprit, sample }: Block): void {
    const { settings } = this.#beginning
    const who = culprit === undefined ? '' : ` by job '${culprit.id}' of task '${culprit.task}'`
    const where = sample?.place === undefined ? '' : ` at ${sample.place}`
    const what = settings.exitOnBlock
      ? 'the process ends itself, and its jobs run elsewhere'
      : 'its jobs are kept no longer and run elsewhere'
    sayPast(
      `offstage error: the event loop has been blocked for ${formatMs(Math.round(blockedMs))}${who}${where}: ${what}\n`,
    )
    if (settings.exitOnBlock) process.kill(process.pid, 'SIGKILL')
  }
}

/** Past the event loop, and past whatever may be wrong with stderr: what has to be done is done all the same. */
function sayPast(line: string): void {
  try {
    writeSync(2, line)
  } catch {
    // A full pipe, or one whose reader is gone.
  }
}

/** The loop writes down the present number. */
function slotsOf(board: Board): { readonly now: number } {
  return {
    get now() {
      return board.slots
    },
  }
}

/** Lines go to the logger of the worker; errors among their fields as plain data. */
function speaking(say: (message: FromKeeper) => void): Logger {
  const at =
    (level: keyof Logger): Logger['info'] =>
    (first: string | LogFields, second?: string) => {
      const given = typeof first === 'string' ? {} : first
      const fields = Object.fromEntries(
        Object.entries(given).map(([name, value]) => [
          name,
          value instanceof Error ? storedError(value) : value,
        ]),
      )
      say({ kind: 'log', level, fields, text: typeof first === 'string' ? first : (second ?? '') })
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

function serve(port: MessagePort): void {
  let thread: KeeperThread | undefined
  port.on('message', (message: ToKeeper) => {
    if (message.kind === 'begin') {
      thread = new KeeperThread(message.beginning, (said) => port.postMessage(said))
      void thread.start()
    } else if (message.kind === 'stopping') thread?.stopping()
    else void thread?.stop()
  })
}

if (parentPort !== null) serve(parentPort)

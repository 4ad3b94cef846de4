// The broker's thread: takes all messages that wait, runs them in one transaction, answers them together. Between
// messages it looks whether other processes have written, while somebody here waits for that.
import { randomUUID } from 'node:crypto'
import { type MessagePort, parentPort, receiveMessageOnPort } from 'node:worker_threads'
import type { JobEvent } from '../../broker/contract.ts'
import type { OffstageError } from '../../errors/error.ts'
import { systemClock, type Timer } from '../../runtime/clock.ts'
import { threadData } from '../../runtime/threads.ts'
import { Core } from './core.ts'
import { pickEngine } from './engine.ts'
import { toStoreError } from './errors.ts'
import { storeHealth } from './health.ts'
import type { FromThread, Request, SentAnswer, SentError, ThreadData, ToThread } from './protocol.ts'
import { type Call, Runner } from './runner.ts'
import { openStore } from './schema.ts'
import type { Effects } from './store.ts'
import type { Reading } from './time.ts'
import { WakeFile } from './wake-file.ts'

const POLL_MS = 1_000
/** A listener is forgotten by others this long after its last sign. */
const LISTEN_MS = 10_000
/** The most calls in one transaction. */
const MOST_CALLS = 256

class BrokerThread {
  readonly #data = threadData<ThreadData>()
  readonly #source = randomUUID()
  #open: { core: Core; runner: Runner; health: () => unknown; close: () => void } | undefined
  #wake: WakeFile | undefined
  #poll: Timer | undefined
  #waiting = false
  #listening = false
  #lastEvent = 0
  #listenedAt = Number.NEGATIVE_INFINITY
  #news = new Set<string>()
  #events: JobEvent[] = []
  #reading: Reading | undefined

  /** @param from where the messages came from, and their answers go */
  async handle(messages: readonly ToThread[], from: MessagePort): Promise<void> {
    const answers: SentAnswer[] = []
    let batch: Request[] = []
    const flush = (): void => {
      for (let at = 0; at < batch.length; at += MOST_CALLS)
        answers.push(...this.#run(batch.slice(at, at + MOST_CALLS)))
      batch = []
    }
    for (const { requests, reading, waiting, listening, look, attach } of messages) {
      if (reading !== undefined) {
        // Calls with another time are another transaction.
        flush()
        this.#reading = reading
      }
      if (waiting !== undefined) this.#setWaiting(waiting)
      if (listening !== undefined) this.#setListening(listening)
      if (look === true) this.#tellOthers()
      if (attach !== undefined) serve(attach)
      for (const request of requests) {
        if (request.call !== 'open' && request.call !== 'close' && request.call !== 'health')
          batch.push(request)
        else {
          flush()
          answers.push(await this.#special(request))
        }
      }
    }
    flush()
    if (from !== parentPort) from.postMessage({ answers } satisfies FromThread, transfers(answers))
    this.#send(from === parentPort ? answers : [])
  }

  #now(): Reading {
    return this.#reading ?? { wall: systemClock.now(), monotonic: systemClock.monotonic() }
  }

  #run(requests: readonly Request[]): SentAnswer[] {
    const open = this.#open
    if (open === undefined) return requests.map(({ id }) => ({ id, error: closed() }))
    const answers = open.runner.run(requests as readonly Call[], this.#now())
    return requests.map(({ id }, index): SentAnswer => {
      const answer = answers[index]
      if (answer?.ok === true) return { id, value: answer.value }
      return { id, error: answer === undefined ? closed() : sent(answer.error) }
    })
  }

  async #special({ id, call }: Request): Promise<SentAnswer> {
    try {
      if (call === 'open') return { id, value: await this.#start() }
      if (call === 'health') return { id, value: this.#open?.health() }
      return { id, value: this.#close() }
    } catch (error) {
      return { id, error: sent(toStoreError(error, this.#data.file)) }
    }
  }

  async #start(): Promise<void> {
    if (this.#open !== undefined) return
    const engine = await pickEngine(this.#data.engine)
    const db = openStore(engine, this.#data)
    const core = new Core(db, this.#source)
    const { file } = this.#data
    const runner = new Runner({
      db,
      core,
      file,
      monotonic: systemClock.monotonic,
      committed: (effects) => this.#committed(effects, core),
    })
    const health = (): unknown =>
      storeHealth({ db, core, engine, settings: this.#data, reading: this.#now() })
    this.#open = { core, runner, health, close: () => db.close() }
    if (file !== ':memory:') this.#wake = new WakeFile(file, systemClock, () => this.#look())
  }

  #close(): void {
    this.#poll?.cancel()
    this.#wake?.close()
    this.#open?.close()
    this.#open = undefined
  }

  #committed(effects: Effects, core: Core): void {
    for (const queue of effects.queues) this.#news.add(core.store.names.text(queue))
    if (this.#listening) this.#events.push(...effects.events)
    if (effects.queues.size > 0 || (effects.events.length > 0 && core.store.heard)) this.#wake?.touch()
  }

  #send(answers: readonly SentAnswer[], all = false): void {
    const news = all ? 'all' : this.#news.size > 0 ? [...this.#news] : undefined
    const events = this.#events.length > 0 ? this.#events : undefined
    if (answers.length === 0 && news === undefined && events === undefined) return
    this.#news.clear()
    this.#events = []
    const message: FromThread = { answers, news, events }
    parentPort?.postMessage(message, transfers(answers))
  }

  // ── other processes ────────────────────────────────────────────────────────────────────────────────────────────

  #setWaiting(on: boolean): void {
    if (this.#waiting === on) return
    this.#waiting = on
    this.#watch()
  }

  #setListening(on: boolean): void {
    if (this.#listening === on || this.#open === undefined) return
    this.#listening = on
    const { core } = this.#open
    core.store.listening = on
    this.#lastEvent = core.store.sql.lastEvent.get<[number]>()?.[0] ?? 0
    this.#listenedAt = Number.NEGATIVE_INFINITY
    this.#watch()
  }

  #watch(): void {
    if (this.#wake === undefined) return
    const on = this.#waiting || this.#listening
    this.#wake.watch(on)
    this.#poll?.cancel()
    if (!on) return
    this.#look()
    const turn = (): void => {
      this.#look()
      this.#poll = systemClock.schedule(POLL_MS * (0.75 + Math.random() / 2), turn)
    }
    this.#poll = systemClock.schedule(POLL_MS * Math.random(), turn)
  }

  /** What the user's own connection has written is news for everybody. */
  #tellOthers(): void {
    this.#wake?.touch()
    this.#look()
  }

  /** Has another process written since work was last looked for? */
  #look(): void {
    if (this.#open === undefined) return
    try {
      const { runner } = this.#open
      const version = runner.dataVersion()
      const changed = version !== runner.seenVersion
      runner.seenVersion = version
      if (this.#listening) this.#hear()
      this.#send([], changed && this.#waiting)
    } catch {
      // Reading is refused for a moment (a busy or a broken store): the next look, or the next call, will tell.
    }
  }

  /** Reads what others have written, and says from time to time that somebody here listens. */
  #hear(): void {
    if (this.#open === undefined) return
    const { core, runner } = this.#open
    const at = systemClock.monotonic()
    if (at - this.#listenedAt > LISTEN_MS / 3) {
      this.#listenedAt = at
      runner.run([{ call: 'listen', args: [LISTEN_MS] }], this.#now())
    }
    for (const [id, body] of core.store.sql.readEvents.all<[number, string]>(this.#lastEvent, this.#source)) {
      this.#lastEvent = id
      this.#events.push(...(JSON.parse(body) as JobEvent[]))
    }
  }
}

function closed(): SentError {
  return { code: 'BROKER_CLOSED', message: 'the SQLite broker is not open', details: {} }
}

function sent(error: OffstageError): SentError {
  return { code: error.code, message: error.message, details: error.details }
}

/** The joined payloads of claims move; they are not copied. */
function transfers(answers: readonly SentAnswer[]): ArrayBuffer[] {
  return answers.flatMap((answer) => {
    const value =
      'value' in answer
        ? (answer.value as Partial<{ bytes: Uint8Array; next: { bytes: Uint8Array } }> | null | undefined)
        : undefined
    const bytes = value?.next?.bytes ?? value?.bytes
    return bytes instanceof Uint8Array && bytes.buffer instanceof ArrayBuffer ? [bytes.buffer] : []
  })
}

const thread = new BrokerThread()
let turn: Promise<void> = Promise.resolve()

/** Takes all messages that wait at a port, one time after another. */
function serve(port: MessagePort): void {
  port.on('message', (first: ToThread) => {
    const messages = [first]
    for (;;) {
      const more = receiveMessageOnPort(port)
      if (more === undefined) break
      messages.push((more as { message: ToThread }).message)
    }
    turn = turn.then(() => thread.handle(messages, port))
  })
}

if (parentPort !== null) serve(parentPort)

// The producing side: calls are checked, prepared and sent, and their jobs answered as handles.
import type { EnqueuedJob } from '../broker/message.ts'
import { OffstageError } from '../errors/error.ts'
import { publish } from '../runtime/channels.ts'
import { systemClock } from '../runtime/clock.ts'
import type { Call } from '../task/call.ts'
import { invalidOption } from '../task/check.ts'
import { aroundEnqueue } from '../task/compose.ts'
import { type Definition, definitionOf } from '../task/definition.ts'
import type { JobOptions } from '../task/options.ts'
import { prepareJob } from '../task/prepare.ts'
import type { Connection } from './connection.ts'
import { Gate } from './gate.ts'
import { type HandleContext, JobHandle } from './handle.ts'
import { CHUNK, type Ready, Sender } from './sender.ts'
import { Watcher } from './watcher.ts'
import { sendWithin, transactionOf } from './within.ts'

/** A call with its types erased. */
interface Order {
  readonly definition: Definition
  readonly input: unknown
  readonly options: JobOptions | undefined
}

type Send = (ready: readonly Ready[]) => Promise<readonly EnqueuedJob[]>

/** Options for each of many inputs: the same for all, or a function of the input and its place. */
export type ManyOptions<In> = JobOptions | ((input: In, index: number) => JobOptions | undefined)

/** For calls that are enqueued together. */
export interface TogetherOptions extends Pick<JobOptions, 'tx'> {}

export class Client {
  readonly #connection: Connection
  readonly #sender: Sender
  readonly #watcher: Watcher
  readonly #handles: HandleContext
  readonly #underWay = new Set<Promise<unknown>>()
  #closed: { readonly error: unknown } | undefined

  constructor(connection: Connection) {
    this.#connection = connection
    this.#sender = new Sender(connection)
    this.#watcher = new Watcher(connection, systemClock)
    this.#handles = { connection, watcher: this.#watcher }
  }

  /** @throws what `prepareJob` and middleware throw, ID_TAKEN, BROKER_*, STORE_* */
  async enqueue<Out>(definition: Definition, input: unknown, options?: JobOptions): Promise<JobHandle<Out>> {
    const [handle] = await this.#send([{ definition, input, options }], (ready) => this.#sendGroup(ready))
    return handle as JobHandle<Out>
  }

  /** All or none. */
  enqueueCalls(calls: readonly Call[], together: TogetherOptions = {}): Promise<JobHandle[]> {
    const orders = calls.map((call) => ({
      definition: call[definitionOf],
      input: call.input,
      options:
        together.tx === undefined ? call.options : { ...call.options, tx: call.options?.tx ?? together.tx },
    }))
    return orders.length === 0 ? Promise.resolve([]) : this.#send(orders, (ready) => this.#sendGroup(ready))
  }

  /**
   * Checks all, then sends them in chunks of 1,000, each chunk all or none.
   *
   * @throws as `enqueue`; what an input is refused for names its place, and nothing has been sent then
   */
  async enqueueMany<In, Out>(
    definition: Definition,
    inputs: Iterable<In>,
    options?: ManyOptions<In>,
  ): Promise<JobHandle<Out>[]> {
    const orders: Order[] = []
    checkIterable(inputs)
    for (const input of inputs) {
      const own = typeof options === 'function' ? options(input, orders.length) : options
      orders.push({ definition, input, options: own })
    }
    const chosen = typeof options === 'function' ? undefined : options?.id
    if (chosen !== undefined && orders.length > 1) {
      throw new OffstageError(
        'OPTION_INVALID',
        'id is the same for all inputs; give a function of the input',
        {
          details: { path: 'id' },
        },
      )
    }
    return this.#send(orders, (ready) => this.#sendChunks(ready)) as Promise<JobHandle<Out>[]>
  }

  handle<Out>(id: string, task?: string): JobHandle<Out> {
    return new JobHandle(this.#handles, { id, duplicate: false, task })
  }

  /** Takes no more calls; resolves once everything under way is answered, and then ends every wait with the error. */
  async close(error: unknown): Promise<void> {
    this.#closed = { error }
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay)
    this.endWaits(error)
  }

  endWaits(error: unknown): void {
    this.#watcher.failAll(error)
  }

  async #send(orders: readonly Order[], send: Send): Promise<JobHandle[]> {
    if (this.#closed !== undefined) throw this.#closed.error
    const sending = this.#prepareAndSend(orders, send)
    this.#underWay.add(sending)
    try {
      return await sending
    } finally {
      this.#underWay.delete(sending)
    }
  }

  async #prepareAndSend(orders: readonly Order[], send: Send): Promise<JobHandle[]> {
    const wrapped = this.#connection.middleware.some(({ enqueue }) => enqueue !== undefined)
    if (wrapped && orders.length > 0) return this.#sendWrapped(orders, send)
    const ready = await this.#prepareAll(orders)
    return this.#toHandles(ready, await this.#leave(ready, send))
  }

  /** Each call has its own row of middleware; all of them wait inside for the one trip. */
  async #sendWrapped(orders: readonly Order[], send: Send): Promise<JobHandle[]> {
    const ready: Ready[] = []
    const gate = new Gate(orders.length, () => this.#leave(ready, send))
    const rows = orders.map(async ({ definition, input, options }, i) => {
      const call = { task: definition.name, input, options: { ...options } }
      const place = orders.length > 1 ? i : -1
      try {
        await aroundEnqueue(this.#connection.middleware, call, async () => {
          try {
            ready[i] = await this.#prepare({ definition, input, options: call.options }, place)
          } catch (error) {
            // Said here too, since a middleware may keep to itself what next() throws.
            gate.break(error)
            throw error
          }
          await gate.pass()
        })
      } catch (error) {
        gate.break(error)
        throw error
      }
    })
    // All are waited for, so that no row is left running behind a rejection.
    await Promise.allSettled(rows)
    await Promise.all(rows)
    return this.#toHandles(ready, await gate.answer)
  }

  async #prepareAll(orders: readonly Order[]): Promise<readonly Ready[]> {
    const ready: Ready[] = []
    for (const [i, order] of orders.entries()) {
      // Preparing many must not hold up the event loop.
      if (i % CHUNK === CHUNK - 1) await new Promise(setImmediate)
      const one = this.#prepare(order, orders.length > 1 ? i : -1)
      ready.push(one instanceof Promise ? await one : one)
    }
    return ready
  }

  /** @param place among several, or -1 */
  #prepare({ definition, input, options }: Order, place: number): Ready | Promise<Ready> {
    const generated = options?.id === undefined
    const tx = options?.tx
    try {
      const spec = prepareJob(definition, input, options, this.#connection.maxPayloadBytes)
      if (!(spec instanceof Promise)) return { spec, generated, tx }
      return spec.then(
        (settled) => ({ spec: settled, generated, tx }),
        (error: unknown) => Promise.reject(placed(error, place)),
      )
    } catch (error) {
      throw placed(error, place)
    }
  }

  #leave(ready: readonly Ready[], send: Send): Promise<readonly EnqueuedJob[]> {
    const tx = transactionOf(ready)
    return tx === undefined ? send(ready) : sendWithin(this.#connection, tx, ready)
  }

  async #sendGroup(ready: readonly Ready[]): Promise<readonly EnqueuedJob[]> {
    const { answer, repeated } = await this.#sender.send(ready)
    if (!answer.ok) {
      const { code, message, id } = answer
      throw new OffstageError(code, message, { details: { id } })
    }
    return repeated ? answer.jobs.map((job, i) => ownAfterRepeat(job, ready[i])) : answer.jobs
  }

  async #sendChunks(ready: readonly Ready[]): Promise<readonly EnqueuedJob[]> {
    if (ready.length <= CHUNK) return ready.length === 0 ? [] : this.#sendGroup(ready)
    const chunks: Promise<readonly EnqueuedJob[]>[] = []
    for (let i = 0; i < ready.length; i += CHUNK) chunks.push(this.#sendGroup(ready.slice(i, i + CHUNK)))
    const settled = await Promise.allSettled(chunks)
    const failed = settled.find((one) => one.status === 'rejected')
    if (failed === undefined) return (await Promise.all(chunks)).flat()
    const stored = settled.reduce((sum, one) => sum + (one.status === 'fulfilled' ? one.value.length : 0), 0)
    throw partly(failed.reason, stored, ready.length)
  }

  async #toHandles(ready: readonly Ready[], jobs: readonly EnqueuedJob[]): Promise<JobHandle[]> {
    const handles: JobHandle[] = []
    for (const [i, { spec }] of ready.entries()) {
      if (i % CHUNK === CHUNK - 1) await new Promise(setImmediate)
      const { task, queue } = spec
      const { id, status } = jobs[i] as EnqueuedJob
      const duplicate = status === 'duplicate'
      publish('offstage:enqueue', () => ({ id, task, queue, duplicate }))
      handles.push(new JobHandle(this.#handles, { id, duplicate, task }))
    }
    return handles
  }
}

/** After a repeated trip, an id that was made here and is there already was stored by the trip whose answer was lost. */
function ownAfterRepeat(job: EnqueuedJob, ready: Ready | undefined): EnqueuedJob {
  const own = job.status === 'duplicate' && job.by === 'id' && ready?.generated === true
  return own ? { status: 'enqueued', id: job.id } : job
}

/** The error of one input among several, with its place. */
function placed(error: unknown, place: number): unknown {
  if (place < 0 || !(error instanceof OffstageError)) return error
  return new OffstageError(error.code, `at index ${place}: ${error.message}`, {
    cause: error,
    details: { ...error.details, index: place },
  })
}

/** The error of a chunk, with what became of the others. */
function partly(error: unknown, stored: number, all: number): unknown {
  if (!(error instanceof OffstageError)) return error
  return new OffstageError(error.code, `${error.message} (${stored} of ${all} jobs were stored)`, {
    cause: error,
    details: { ...error.details, stored, all },
  })
}

function checkIterable(inputs: unknown): void {
  const iterable = typeof inputs === 'object' && inputs !== null && Symbol.iterator in inputs
  if (!iterable) throw invalidOption('inputs', inputs, 'an array or another iterable of inputs is needed')
}

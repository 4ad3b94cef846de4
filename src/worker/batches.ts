// Batches: attempts of a task that runs many jobs at once wait for one another, then share one call of its handler.
// Only the call is common: each attempt keeps its slot, its lease, its signal, its timeout and its own end.
import type { Clock, Timer } from '../runtime/clock.ts'
import { type Batching, readAnswers } from '../task/batch.ts'
import type { BatchContext, BatchItem } from '../task/context.ts'
import type { Attempt } from './attempt.ts'
import { runsApart } from './quarantine.ts'

export interface BatchesPorts {
  /** Whether that many attempts, and no others, hold all slots: nothing more can come. */
  readonly isFull: (gathering: number) => boolean
  /** The handler is about to run: the attempt's time counts from now. */
  readonly onRun: (attempt: Attempt) => void
}

interface Member {
  readonly attempt: Attempt
  readonly item: BatchItem
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

interface OpenBatch {
  readonly task: string
  readonly batching: Batching
  readonly members: Set<Member>
  readonly timer: Timer
}

export class Batches {
  readonly #clock: Clock
  readonly #ports: BatchesPorts
  /** By task. */
  readonly #open = new Map<string, OpenBatch>()
  #gathering = 0
  #closed = false

  constructor(clock: Clock, ports: BatchesPorts) {
    this.#clock = clock
    this.#ports = ports
  }

  /** Attempts that wait for others. */
  get gathering(): number {
    return this.#gathering
  }

  /** Joins the open batch of the task; settles with what the handler answers for this item. */
  join(task: string, batching: Batching, attempt: Attempt, item: BatchItem): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (attempt.aborted !== undefined) return reject(attempt.aborted)
      const member = { attempt, item, resolve, reject }
      if (runsApart(attempt.job, attempt.task)) {
        attempt.timer?.cancel()
        void this.#run({ task, batching }, [member])
        return
      }
      const batch = this.#open.get(task) ?? this.#begin(task, batching)
      batch.members.add(member)
      this.#gathering += 1
      attempt.timer?.cancel()
      attempt.claim.limit(0)
      attempt.onAbort = (reason) => this.#leftAlone(batch, member, reason)
      if (batch.members.size >= batching.size) this.#leave(batch)
      else if (this.#closed || this.#ports.isFull(this.#gathering)) this.leaveAll()
    })
  }

  /** Runs every open batch with what it has. */
  leaveAll(): void {
    for (const batch of [...this.#open.values()]) this.#leave(batch)
  }

  /** Nothing more comes: what joins from now on waits for nobody. */
  close(): void {
    this.#closed = true
    this.leaveAll()
  }

  #begin(task: string, batching: Batching): OpenBatch {
    const timer = this.#clock.schedule(batching.withinMs, () => this.#leave(batch))
    const batch: OpenBatch = { task, batching, members: new Set(), timer }
    this.#open.set(task, batch)
    return batch
  }

  /** An attempt that is to stop does not wait for a batch. */
  #leftAlone(batch: OpenBatch, member: Member, reason: unknown): void {
    batch.members.delete(member)
    this.#gathering -= 1
    if (batch.members.size === 0) this.#end(batch)
    member.reject(reason)
  }

  #end(batch: OpenBatch): void {
    batch.timer.cancel()
    this.#open.delete(batch.task)
  }

  #leave(batch: OpenBatch): void {
    this.#end(batch)
    this.#gathering -= batch.members.size
    // A middleware may have ended an attempt over the head of its handler: the job may run elsewhere by now.
    const members = [...batch.members].filter(({ attempt }) => !attempt.ended)
    if (members.length > 0) void this.#run(batch, members)
  }

  async #run(
    { task, batching }: Pick<OpenBatch, 'task' | 'batching'>,
    members: readonly Member[],
  ): Promise<void> {
    const ctx = new RunContext(this.#clock, members.length)
    for (const { attempt } of members) {
      attempt.onAbort = (reason) => ctx.aborted(reason)
      this.#ports.onRun(attempt)
    }
    try {
      const items = members.map(({ item }) => item)
      const run = (): unknown => batching.run(items, ctx)
      // What blocks the loop is the batch, which goes by the name of its first job.
      const call = (): unknown => members[0]?.attempt.claim.calling(run)
      const answers = readAnswers(await call(), members.length, task)
      for (const [i, { resolve, reject }] of members.entries()) {
        const answer = answers[i]
        if (answer?.ok === true) resolve(answer.value)
        else reject(answer?.error)
      }
    } catch (error) {
      for (const { reject } of members) reject(error)
    }
  }
}

class RunContext implements BatchContext {
  readonly clock: Clock
  readonly size: number
  readonly #controller = new AbortController()
  #wanted: number

  constructor(clock: Clock, size: number) {
    this.clock = clock
    this.size = size
    this.#wanted = size
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** One of the items is not wanted any more; when none is, the whole is not. */
  aborted(reason: unknown): void {
    this.#wanted -= 1
    if (this.#wanted === 0) this.#controller.abort(reason)
  }
}

// The memory broker with an eye on it: says when something happened, counts outcomes, and tells whether what is ready
// could be claimed at all.
import type {
  GroupAnswer,
  Outcome,
  Reserved,
  ReserveRequest,
  Settled,
  SettleRequest,
} from '../broker/contract.ts'
import { MemoryBroker } from '../brokers/memory/memory.ts'
import type { JobSpec } from '../job/record.ts'

export type OutcomeCounts = { [K in Outcome['kind']]: number }

export class TestBroker extends MemoryBroker {
  readonly #listeners = new Set<() => void>()
  #counts: OutcomeCounts = noOutcomes()
  #changes = 0
  #emptyAt = -1

  /** True where the last claim found nothing it may take, and nothing has happened since. */
  get held(): boolean {
    return this.#emptyAt === this.#changes
  }

  /** Outcomes that were recorded since the last call. */
  takeCounts(): OutcomeCounts {
    const counts = this.#counts
    this.#counts = noOutcomes()
    return counts
  }

  /** Calls the listener after each call that moves jobs; the answer ends it. */
  onCall(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  override async enqueue(groups: readonly (readonly JobSpec[])[]): Promise<readonly GroupAnswer[]> {
    const answers = await super.enqueue(groups)
    this.#changed()
    return answers
  }

  override async reserve(request: ReserveRequest): Promise<Reserved> {
    const changes = this.#changes
    const reserved = await super.reserve(request)
    this.#reserved(request, reserved, changes)
    return reserved
  }

  override async settle(request: SettleRequest): Promise<Settled> {
    this.#changes += 1
    const changes = this.#changes
    const settled = await super.settle(request)
    for (const [i, { kind }] of request.outcomes.entries()) {
      if (settled.answers[i] === 'ok') this.#counts[kind] += 1
    }
    if (request.next !== undefined && settled.next !== undefined) {
      this.#reserved(request.next, settled.next, changes)
    } else this.#tell()
    return settled
  }

  #reserved(request: ReserveRequest, reserved: Reserved, changes: number): void {
    if (reserved.jobs.length > 0) this.#changes += 1
    else if (request.max > 0) this.#emptyAt = changes
    this.#tell()
  }

  #changed(): void {
    this.#changes += 1
    this.#tell()
  }

  #tell(): void {
    for (const listener of this.#listeners) listener()
  }
}

function noOutcomes(): OutcomeCounts {
  return { succeeded: 0, retry: 0, failed: 0, released: 0, snoozed: 0, unknown: 0, cancelled: 0 }
}

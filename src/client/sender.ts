// Brings groups of jobs to the broker. Groups of many callers share a trip, and a trip that the broker could not take
// is repeated for a while with the same ids, which stores nothing twice (law 9).
import type { Broker } from '../broker/contract.ts'
import type { GroupAnswer } from '../broker/message.ts'
import { isPlacing } from '../broker/placing.ts'
import { hasCode } from '../errors/error.ts'
import type { JobSpec } from '../job/record.ts'
import { Batcher } from '../runtime/batcher.ts'
import { sleep } from '../runtime/clock.ts'
import type { Connection } from './connection.ts'

/** The most jobs in a trip, and in one chunk of `enqueueMany`. */
export const CHUNK = 1_000
/** A trip prepares while the other is under way. */
const MAX_TRIPS = 2
/** How long a trip is repeated before its callers hear of the error. */
const RETRY_MS = 5_000
const FIRST_BACKOFF_MS = 25
const MAX_BACKOFF_MS = 500

/** A job ready to be sent. */
export interface Ready {
  readonly spec: JobSpec
  /** The id was made here: nobody else can have sent it, and the broker may have it placed. */
  readonly generated: boolean
  /** The user's transaction that it is stored in; then it does not come this way. */
  readonly tx?: unknown
}

type Group = readonly Ready[]

export interface Sent {
  readonly answer: GroupAnswer
  /** The trip was made more than once: a generated id that is a duplicate is our own. */
  readonly repeated: boolean
}

export class Sender {
  readonly #connection: Connection
  readonly #batcher: Batcher<Group, Sent>

  constructor(connection: Connection) {
    this.#connection = connection
    this.#batcher = new Batcher({
      run: (groups) => this.#trip(groups),
      maxWeight: CHUNK,
      weigh: (group) => group.length,
      maxTrips: MAX_TRIPS,
    })
  }

  async send(group: Group): Promise<Sent> {
    const sent = await this.#batcher.add(group)
    return isAway(sent) ? this.#sendAgain(group, sent) : sent
  }

  /** The shard of the group is away: only this group waits for it. */
  async #sendAgain(group: Group, first: Sent): Promise<Sent> {
    const { clock, logger } = this.#connection
    const startedAt = clock.monotonic()
    let sent = first
    for (
      let backoffMs = FIRST_BACKOFF_MS;
      isAway(sent);
      backoffMs = Math.min(MAX_BACKOFF_MS, backoffMs * 2)
    ) {
      if (clock.monotonic() - startedAt + backoffMs > RETRY_MS) break
      if (sent === first) logger.warn({ jobs: group.length }, 'the shard of some jobs is away; trying again')
      await sleep(clock, jittered(backoffMs), { ref: true })
      sent = await this.#batcher.add(group)
    }
    return { ...sent, repeated: true }
  }

  async #trip(groups: readonly Group[]): Promise<readonly Sent[]> {
    const { clock, logger } = this.#connection
    const startedAt = clock.monotonic()
    for (let backoffMs = FIRST_BACKOFF_MS, tries = 1; ; tries++) {
      try {
        const broker = await this.#connection.broker()
        const answers = await broker.enqueue(specsOf(broker, groups))
        const repeated = tries > 1
        return answers.map((answer) => ({ answer, repeated }))
      } catch (error) {
        if (!isPassing(error) || clock.monotonic() - startedAt + backoffMs > RETRY_MS) throw error
        if (tries === 1) logger.warn({ error }, 'the broker did not take an enqueue; trying again')
        await sleep(clock, jittered(backoffMs), { ref: true })
        backoffMs = Math.min(MAX_BACKOFF_MS, backoffMs * 2)
      }
    }
  }
}

function isAway({ answer }: Sent): boolean {
  return !answer.ok && answer.code === 'BROKER_UNAVAILABLE'
}

function jittered(ms: number): number {
  return Math.ceil(ms * (0.5 + Math.random() / 2))
}

/** A placed id is the same for each trip of a job, so that a repeated one stores nothing twice. */
function specsOf(broker: Broker, groups: readonly Group[]): JobSpec[][] {
  if (!isPlacing(broker)) return groups.map((group) => group.map(({ spec }) => spec))
  const placed = ({ spec, generated }: Ready): JobSpec => {
    const id = generated ? broker.place(spec) : spec.id
    return id === spec.id ? spec : { ...spec, id }
  }
  return groups.map((group) => group.map(placed))
}

/** What may pass within seconds. A full disk or a wrong mode waits for a person, so its caller hears of it at once. */
function isPassing(error: unknown): boolean {
  return hasCode(error, 'BROKER_UNAVAILABLE') || hasCode(error, 'STORE_FAILED')
}

// Reads a history after a full drain, with what the broker says at the end, and names everything that must not be.
// A rule flags nothing that a correct broker may do under the faults of the history; what it cannot tell it lets pass.
import type { Event, Of } from './history.ts'
import { limitRules, uniqueRules } from './overlaps.ts'

/** What the broker holds at the end. */
export interface Final {
  readonly jobs: readonly {
    readonly id: string
    readonly state: string
    readonly reason: string | undefined
    readonly failures: number
    readonly crashes?: number
  }[]
  /** Jobs a state, over all queues, as the broker counts them. */
  readonly counts: { readonly [state: string]: number }
  /** Sums of the per-minute counters. */
  readonly counters: { readonly enqueued: number; readonly succeeded: number; readonly failed: number }
}

export interface Rules {
  /** How many runs of a task there may be at once, or of each partition of it. */
  readonly limits?: { readonly [task: string]: number }
  /** The broker was away for longer than enqueueing waits: callers may have heard so. */
  readonly mayRefuse?: boolean
  /** Each shard counts its tokens by itself: those of two jobs may be equal. */
  readonly ownTokens?: boolean
}

export interface Verdict {
  /** Empty when all is well. */
  readonly violations: readonly string[]
  /** The job that waited longest for its next run after a death. */
  readonly slowest: string | undefined
  readonly figures: {
    readonly asked: number
    readonly accepted: number
    readonly ended: number
    readonly runs: number
    readonly refused: number
    /** Runs that no failure explains. */
    readonly duplicates: number
    /** Jobs that were in hand at a fault: the most duplicates there may be. */
    readonly inHand: number
    /** The longest from the death of a worker to the next run of what it ran; undefined where nothing was picked up. */
    readonly largestPickupMs: number | undefined
  }
}

const ENDED = new Set(['succeeded', 'failed', 'cancelled'])
const TERMINAL = new Set(['succeeded', 'failed', 'cancelled'])
/** Timers and the clock of the store may round. */
const EARLY_MS = 2

export function check(history: readonly Event[], final: Final, rules: Rules = {}): Verdict {
  const facts = gather(history)
  const faults = faultsOf(history)
  const duplicates = countDuplicates(facts)
  const violations = [
    ...keptRules(facts, final),
    ...runRules(facts, faults),
    ...(rules.ownTokens === true ? [] : tokenRules(facts)),
    ...settleRules(facts, final),
    ...limitRules(history, rules.limits ?? {}),
    ...uniqueRules(history),
    ...sumRules(final),
    ...facts.troubles.map(({ what, pid }) => `trouble in process ${pid}: ${what}`),
    ...(rules.mayRefuse === true ? [] : facts.refused).map(
      ({ id, error }) => `the enqueue of ${id} was refused: ${error}`,
    ),
  ]
  if (duplicates > faults.inHand)
    violations.push(`${duplicates} duplicate runs, but only ${faults.inHand} jobs were in hand at the faults`)
  return {
    violations,
    slowest: faults.slowest,
    figures: {
      asked: facts.asked.size,
      accepted: facts.accepted.size,
      refused: facts.refused.length,
      ended: final.jobs.filter(({ state }) => ENDED.has(state)).length,
      runs: [...facts.runs.values()].flat().length,
      duplicates,
      inHand: faults.inHand,
      largestPickupMs: faults.largestPickupMs,
    },
  }
}

interface Facts {
  readonly asked: Map<string, Of<'asked'>>
  readonly accepted: Set<string>
  readonly refused: Of<'refused'>[]
  readonly troubles: Of<'trouble'>[]
  /** By job, in the order of the history. */
  readonly runs: Map<string, Of<'run'>[]>
  readonly settled: Map<string, Of<'settled'>[]>
}

function gather(history: readonly Event[]): Facts {
  const facts: Facts = {
    asked: new Map(),
    accepted: new Set(),
    refused: [],
    troubles: [],
    runs: new Map(),
    settled: new Map(),
  }
  for (const event of history) {
    // The repeat of an unanswered enqueue asks again for the same job.
    if (event.e === 'asked') facts.asked.set(event.id, facts.asked.get(event.id) ?? event)
    else if (event.e === 'accepted') facts.accepted.add(event.as ?? event.id)
    else if (event.e === 'refused') facts.refused.push(event)
    else if (event.e === 'trouble') facts.troubles.push(event)
    else if (event.e === 'run') push(facts.runs, event.id, event)
    else if (event.e === 'settled') push(facts.settled, event.id, event)
  }
  return facts
}

function keptRules({ asked, accepted, runs }: Facts, { jobs }: Final): string[] {
  const found: string[] = []
  const states = new Map(jobs.map(({ id, state }) => [id, state]))
  for (const id of accepted) {
    const state = states.get(id)
    if (state === undefined) found.push(`lost: ${id} was accepted and is gone`)
    else if (!ENDED.has(state)) found.push(`lost: ${id} was accepted and is still ${state} after the drain`)
  }
  for (const { id, state } of jobs) {
    if (!asked.has(id)) found.push(`unexpected: ${id} is stored and nobody asked for it`)
    if (!accepted.has(id) && !ENDED.has(state)) found.push(`${id} is still ${state} after the drain`)
    if (state === 'succeeded' && !runs.has(id)) found.push(`${id} succeeded and was never run`)
  }
  if (states.size !== jobs.length) found.push('a job is stored twice')
  return found
}

function runRules({ asked, runs }: Facts, { stopped }: Faults): string[] {
  const found: string[] = []
  for (const [id, list] of runs) {
    const job = asked.get(id)
    if (job === undefined) {
      found.push(`unexpected: ${id} ran and nobody asked for it`)
      continue
    }
    let highest = 0
    for (const { hash, token, at, pid } of list) {
      if (hash !== job.hash) found.push(`${id} ran with another input than it was enqueued with`)
      if (at < job.at + job.delayMs - EARLY_MS)
        found.push(`${id} ran ${job.at + job.delayMs - at} ms before its time`)
      // A worker that was stopped between its claim and the handler may begin after a later claim's run.
      if (token === highest || (token < highest && !stopped.has(pid)))
        found.push(`${id} ran with token ${token} after it had run with ${highest}`)
      highest = Math.max(highest, token)
    }
  }
  return found
}

function tokenRules({ runs }: Facts): string[] {
  const found: string[] = []
  const tokens = [...runs.values()].flat().map(({ id, token }) => ({ id, token }))
  const owners = new Map<number, string>()
  for (const { id, token } of tokens) {
    const owner = owners.get(token)
    if (owner !== undefined && owner !== id) found.push(`token ${token} was given for ${owner} and for ${id}`)
    owners.set(token, id)
  }
  return found
}

function settleRules({ settled, runs }: Facts, { jobs }: Final): string[] {
  const found: string[] = []
  const records = new Map(jobs.map((job) => [job.id, job]))
  for (const [id, list] of settled) {
    const taken = list.filter(({ answer }) => answer === 'ok')
    const ends = new Map(taken.filter(({ outcome }) => TERMINAL.has(outcome)).map((s) => [s.token, s]))
    if (ends.size > 1) found.push(`${id} ended ${ends.size} times: tokens ${[...ends.keys()].join(', ')}`)
    const [end] = ends.values()
    const record = records.get(id)
    if (end !== undefined) {
      const later = [...(runs.get(id) ?? []), ...taken].filter(({ token }) => token > end.token)
      if (later.length > 0)
        found.push(`${id} ended with the old token ${end.token}, but was claimed with ${later[0]?.token}`)
      if (record !== undefined && record.state !== end.outcome)
        found.push(`${id} is ${record.state}, but its outcome ${end.outcome} was accepted`)
    }
    const retries = new Set(taken.filter(({ outcome }) => outcome === 'retry').map(({ token }) => token))
    if (record !== undefined && retries.size > record.failures)
      found.push(`${retries.size} failures of ${id} were accepted, and ${record.failures} are recorded`)
  }
  return found
}

function sumRules({ jobs, counts, counters }: Final): string[] {
  const found: string[] = []
  const states = new Map<string, number>()
  for (const { state } of jobs) states.set(state, (states.get(state) ?? 0) + 1)
  for (const state of new Set([...states.keys(), ...Object.keys(counts)])) {
    const stored = states.get(state) ?? 0
    if ((counts[state] ?? 0) !== stored)
      found.push(`${stored} jobs are ${state}, and the queues count ${counts[state] ?? 0}`)
    if (stored > 0 && !ENDED.has(state)) found.push(`${stored} jobs are ${state} after the drain`)
  }
  const sums = { enqueued: jobs.length, succeeded: states.get('succeeded'), failed: states.get('failed') }
  for (const name of ['enqueued', 'succeeded', 'failed'] as const) {
    if (counters[name] !== (sums[name] ?? 0))
      found.push(`the counters say ${counters[name]} ${name}, and ${sums[name] ?? 0} are stored`)
  }
  return found
}

interface Faults {
  readonly inHand: number
  /** Processes that were stopped and went on. */
  readonly stopped: ReadonlySet<number>
  readonly largestPickupMs: number | undefined
  readonly slowest: string | undefined
}

/** What each fault hit: runs whose outcome had not been answered. */
function faultsOf(history: readonly Event[]): Faults {
  const held = new Map<string, Of<'run'>>()
  const hit = new Set<string>()
  const waiting = new Map<string, { readonly at: number; readonly attempt: number }>()
  const stopped = new Set<number>()
  // A process goes on for a moment after the signal is written down: what it takes then is in hand when it is hit.
  const struck = new Set<number>()
  let largestPickupMs: number | undefined
  let slowest: string | undefined
  for (const event of history) {
    if (event.e === 'run') {
      const died = waiting.get(event.id)
      // Where it is the next attempt, the failure had been recorded: that is a retry, and stands in line.
      const pickup = died !== undefined && event.attempt <= died.attempt
      if (pickup && event.at - died.at >= (largestPickupMs ?? 0)) {
        largestPickupMs = event.at - died.at
        slowest = event.id
      }
      waiting.delete(event.id)
      held.set(`${event.id} ${event.token}`, event)
      if (struck.has(event.pid)) hit.add(`${event.id} ${event.token}`)
    } else if (event.e === 'settled') {
      held.delete(`${event.id} ${event.token}`)
      waiting.delete(event.id)
    } else if (event.e === 'fault' && event.kind === 'go-on') {
      struck.delete(event.pid)
    } else if (event.e === 'fault') {
      const { kind } = event
      if (kind === 'stop') stopped.add(event.pid)
      if (kind === 'stop' || kind === 'kill') struck.add(event.pid)
      for (const [key, { pid, id, attempt }] of held) {
        if (kind !== 'outage' && pid !== event.pid) continue
        hit.add(key)
        if (kind === 'kill' || kind === 'term') held.delete(key)
        if (kind === 'kill') waiting.set(id, { at: event.at, attempt })
      }
    }
  }
  return { inHand: hit.size, stopped, largestPickupMs, slowest }
}

/** Runs beyond the first and beyond those that follow from an accepted failure. */
function countDuplicates({ runs, settled }: Facts): number {
  let count = 0
  for (const [id, list] of runs) {
    const again = (settled.get(id) ?? []).filter(
      ({ answer, outcome }) => answer === 'ok' && (outcome === 'retry' || outcome === 'snoozed'),
    )
    const explained = new Set(again.map(({ token }) => token)).size
    count += Math.max(0, list.length - 1 - explained)
  }
  return count
}

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}

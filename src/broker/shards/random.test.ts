// Random work over shards that come and go: whatever was accepted is done once, and nobody else holds what is held.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Kit, shardedKit } from '../../../test/support/sharded-kit.ts'
import type { JobSpec } from '../../job/record.ts'
import { request, spec, succeeded, TASK, unique } from '../../laws/factories.ts'
import type { ReservedJob } from '../contract.ts'

const LEASE_MS = 2_000

type Step =
  | { readonly do: 'enqueue'; readonly jobs: readonly { readonly key: number; readonly kind: number }[] }
  | { readonly do: 'reserve'; readonly max: number; readonly starting: number }
  | { readonly do: 'settle'; readonly count: number; readonly max: number }
  | { readonly do: 'extend' }
  | { readonly do: 'maintain' }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'turn'; readonly shard: number; readonly away: boolean }

const small = fc.integer({ min: 0, max: 9 })
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('enqueue' as const),
    jobs: fc.array(fc.record({ key: small, kind: fc.integer({ min: 0, max: 3 }) }), {
      minLength: 1,
      maxLength: 8,
    }),
  }),
  fc.record({ do: fc.constant('reserve' as const), max: small, starting: small }),
  fc.record({ do: fc.constant('settle' as const), count: small, max: small }),
  fc.record({ do: fc.constant('extend' as const) }),
  fc.record({ do: fc.constant('maintain' as const) }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 600 }) }),
  fc.record({ do: fc.constant('turn' as const), shard: fc.integer({ min: 0, max: 2 }), away: fc.boolean() }),
)

/** What a careful caller knows: what was accepted, what it holds and until when, and what it was told is done. */
class Caller {
  readonly #kit: Kit
  readonly accepted = new Map<string, JobSpec>()
  readonly done = new Set<string>()
  readonly held = new Map<string, { readonly job: ReservedJob; until: number }>()
  readonly #unanswered: JobSpec[][] = []

  constructor(kit: Kit) {
    this.#kit = kit
  }

  async take(step: Step): Promise<void> {
    const { broker, clock, shards } = this.#kit
    if (step.do === 'pass') return clock.advance(step.ms)
    if (step.do === 'turn') {
      const shard = shards[step.shard]
      if (shard !== undefined) shard.state = step.away ? 'away' : 'there'
      return
    }
    // A call may reject while all are away; then nothing is known.
    await this.#call(step).catch((error: unknown) => {
      expect(error).toMatchObject({ code: 'BROKER_UNAVAILABLE' })
      expect(shards.some(({ state }) => state === 'away')).toBe(true)
    })
    if (step.do === 'maintain') await broker.maintain().catch(() => undefined)
  }

  async #call(step: Step): Promise<void> {
    const { broker } = this.#kit
    switch (step.do) {
      case 'enqueue':
        return this.enqueue([step.jobs.map((job) => this.#specOf(job))])
      case 'reserve': {
        const { max, starting } = step
        const { jobs } = await broker.reserve(request({ max, starting, leaseMs: LEASE_MS }))
        expect(jobs.length).toBeLessThanOrEqual(max)
        return this.#hold(jobs)
      }
      case 'settle':
        return this.settle([...this.held.values()].slice(0, step.count), step.max)
      case 'extend': {
        const held = [...this.held.values()]
        const leases = held.map(({ job: { id, token } }) => ({ id, token, started: true }))
        const until = this.#kit.clock.monotonic() + LEASE_MS
        const answers = await broker.extend(leases, LEASE_MS)
        for (const [i, answer] of answers.entries()) {
          const claim = held[i]
          if (claim === undefined || answer === 'away') continue
          if (answer === 'ok') claim.until = until
          else this.held.delete(claim.job.id)
        }
      }
    }
  }

  #specOf({ key, kind }: { readonly key: number; readonly kind: number }): JobSpec {
    const { broker } = this.#kit
    const made = [
      {},
      { unique: unique(`${TASK}/key-${key}`) },
      { partition: `part-${key}` },
      { partition: `both-${key}`, unique: unique(`${TASK}/{both-${key}}`) },
    ][kind]
    const job = spec(made)
    return { ...job, id: broker.place(job) }
  }

  async enqueue(groups: JobSpec[][]): Promise<void> {
    this.#unanswered.push(...groups)
    const answers = await this.#kit.broker.enqueue(groups)
    for (const [i, answer] of answers.entries()) {
      const group = groups[i] ?? []
      if (!answer.ok) {
        expect(answer.code).toBe('BROKER_UNAVAILABLE')
        continue
      }
      this.#unanswered.splice(this.#unanswered.indexOf(group), 1)
      for (const [n, { id, status }] of answer.jobs.entries()) {
        if (status === 'enqueued') expect(id).toBe(group[n]?.id)
        const own = group[n]
        if (own?.id === id) this.accepted.set(id, own)
      }
    }
  }

  async settle(claims: readonly { readonly job: ReservedJob; until: number }[], max: number): Promise<void> {
    const outcomes = claims.map(({ job }) => succeeded(job))
    const next = request({ max, leaseMs: LEASE_MS })
    const settled = await this.#kit.broker.settle({ outcomes, next })
    for (const [i, { job, until }] of claims.entries()) {
      const answer = settled.answers[i]
      if (answer === 'away') continue
      if (answer === 'ok') this.done.add(job.id)
      else expect(until).toBeLessThanOrEqual(this.#kit.clock.monotonic())
      this.held.delete(job.id)
    }
    this.#hold(settled.next?.jobs ?? [])
  }

  #hold(jobs: readonly ReservedJob[]): void {
    const now = this.#kit.clock.monotonic()
    for (const job of jobs) {
      expect(this.done.has(job.id)).toBe(false)
      expect(this.held.get(job.id)?.until ?? 0).toBeLessThanOrEqual(now)
      expect(this.held.get(job.id)?.job.token ?? 0).toBeLessThan(job.token)
      this.held.set(job.id, { job, until: now + LEASE_MS })
    }
  }

  /** All shards are back: what is open is repeated, and all is run to its end. */
  async finish(): Promise<void> {
    const { broker, clock, shards } = this.#kit
    for (const shard of shards) shard.state = 'there'
    clock.advance(1_000)
    await this.enqueue(this.#unanswered.splice(0))
    for (let round = 0; round < 200; round += 1) {
      await this.settle([...this.held.values()], 50)
      clock.advance(500)
      await broker.maintain()
      if (this.held.size === 0 && round > 10) break
    }
    expect(this.#unanswered).toEqual([])
    expect(new Set(this.accepted.keys())).toEqual(this.done)
    const records = await broker.get([...this.accepted.keys()])
    expect(new Set(records.map((record) => record?.state))).toEqual(
      new Set(this.accepted.size === 0 ? [] : ['succeeded']),
    )
  }
}

test('whatever was accepted is done once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 60, maxLength: 120, size: 'max' }), async (steps) => {
      const kit = await shardedKit(3)
      const caller = new Caller(kit)
      for (const one of steps) await caller.take(one)
      await caller.finish()
      await kit.broker.close()
    }),
    { numRuns: 100 },
  )
})

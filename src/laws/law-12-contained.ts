// Law 12. Contained: bytes that do not parse, a hostile payload, a result that cannot be serialised end as that job's
// dead letter. A task or record version that a worker does not know (a rolling deploy) is put back with a delay, burns
// no attempt, is said loudly, and becomes a dead letter after an hour (`unknownAfter`). The failure path itself never
// throws.
//
// A broker's part of it: bytes and texts come back as they were given, one damaged record harms no other, and what a
// newer library wrote is handed out as it is.
import assert from 'node:assert/strict'
import type { Payload, StoredError } from '../job/record.ts'
import { failed, json, QUEUE, spec, specs, succeeded, unique, unknown } from './factories.ts'
import type { Law } from './law.ts'

const BYTES: { readonly [what: string]: Uint8Array } = {
  'none at all': new Uint8Array(0),
  NUL: Uint8Array.of(0, 0, 0),
  'every byte': Uint8Array.from({ length: 256 }, (_, byte) => byte),
  'broken UTF-8': Uint8Array.of(0xff, 0xfe, 0xc0, 0x80, 0xed, 0xa0, 0x80),
  'half of a JSON text': new TextEncoder().encode('{"to":"ad'),
  'a prototype': new TextEncoder().encode('{"__proto__":{"polluted":true}}'),
  '200 KB': Uint8Array.from({ length: 200_000 }, (_, at) => (at * 31) % 251),
}

/** Texts that a store, a script or a map could trip over; all within the rules for ids and keys. */
const HOSTILE = [
  '__proto__',
  'constructor',
  'toString',
  "a'b",
  'a"b',
  "'; drop table jobs; --",
  '%',
  'a%b_c*?[x]',
  'a:b:c',
  '{tag}',
  '../../x',
  ' a ',
  'null',
  '0',
  '-1',
  '1e3',
  'Ünïcödé',
  '漢字',
  '🦊',
  '\u202eright to left',
  'x'.repeat(512),
  '🦊'.repeat(128),
]

export const contained: Law = {
  number: 12,
  name: 'contained',
  cases: [
    {
      name: 'input, result, progress and steps are the bytes that were given',
      async run(context) {
        for (const [what, bytes] of Object.entries(BYTES)) {
          const payload: Payload = { codec: 7, bytes }
          await context.enqueue(spec({ id: what, input: payload }))
          const job = await context.claim({}, what)
          sameBytes(job.input, payload, `claimed: ${what}`)
          const { id, token } = job
          const notes = [
            { id, token, kind: 'progress', value: payload },
            { id, token, kind: 'step', name: 's', value: payload },
          ] as const
          assert.deepEqual(await context.broker.write(notes), ['ok', 'ok'])
          await context.settled({ id, token, kind: 'succeeded', result: payload })
          const record = await context.job(what)
          for (const part of [record.input, record.result, record.progress]) sameBytes(part, payload, what)
          sameBytes((await context.broker.steps(id))[0]?.value, payload, `step: ${what}`)
        }
      },
    },
    {
      name: 'bytes are copied: what the caller does with its own afterwards changes nothing',
      async run(context) {
        const bytes = Uint8Array.of(1, 2, 3)
        await context.enqueue(spec({ id: 'job', input: { codec: 0, bytes } }))
        bytes.fill(9)
        const claimed = await context.claim()
        sameBytes(claimed.input, { codec: 0, bytes: Uint8Array.of(1, 2, 3) }, 'claimed')
        claimed.input.bytes.fill(8)
        sameBytes((await context.job('job')).input, { codec: 0, bytes: Uint8Array.of(1, 2, 3) }, 'kept')
      },
    },
    {
      name: 'a view into a larger buffer is stored alone',
      async run(context) {
        const buffer = Uint8Array.from({ length: 1_000 }, (_, at) => at % 256)
        await context.enqueue(spec({ id: 'job', input: { codec: 0, bytes: buffer.subarray(10, 13) } }))
        sameBytes((await context.claim()).input, { codec: 0, bytes: Uint8Array.of(10, 11, 12) }, 'claimed')
      },
    },
    {
      name: 'hostile texts are ids, partitions, keys, tags, fields and headers like any other',
      needs: ['one-shard'],
      async run(context) {
        for (const text of HOSTILE) {
          const fields = { unique: unique(text), tags: [text], search: { to: text }, headers: { h: text } }
          const job = spec({ id: text, partition: text, workflow: text, node: text, ...fields })
          await context.enqueue(job)
          const [duplicate] = await context.broker.enqueue([[spec({ unique: unique(text) })]])
          assert.deepEqual(duplicate, { ok: true, jobs: [{ status: 'duplicate', id: text, by: 'unique' }] })
          for (const query of [
            { search: { to: text } },
            { tag: text },
            { partition: text },
            { workflow: text },
          ]) {
            const { jobs } = await context.broker.list({ queue: QUEUE, ...query })
            assert.deepEqual(
              jobs.map(({ id }) => id),
              [text],
              `listed by ${JSON.stringify(query)}`,
            )
          }
        }
        const seen = new Set<string>()
        for (const job of (await context.reserve({ max: 100 })).jobs) {
          assert.deepEqual([job.id, job.partition, job.workflow, job.node], Array(4).fill(job.id))
          assert.deepEqual([job.headers, job.tags], [{ h: job.id }, [job.id]])
          await context.settled(succeeded(job))
          seen.add(job.id)
        }
        assert.equal(seen.size, HOSTILE.length)
        await context.expect('succeeded', HOSTILE)
        assert.equal(Reflect.get({}, 'polluted'), undefined)
        const removed = await context.broker.remove({ ids: HOSTILE })
        assert.equal(removed.done.length, HOSTILE.length)
      },
    },
    {
      name: 'ids that differ only a little are different ids',
      async run(context) {
        const ids = ['a', 'A', ' a', 'a ', 'á', 'a\u0301', 'ａ', '1', '01', '1.0', '1e0']
        await context.enqueue(...ids.map((id) => spec({ id, unique: unique(id) })))
        assert.deepEqual(
          (await context.broker.get(ids)).map((record) => record?.id),
          ids,
        )
        assert.deepEqual(
          await context.broker.get(['b', 'constructor', '__proto__', '%']),
          Array(4).fill(undefined),
        )
      },
    },
    {
      name: 'an error is kept as it was given, with its causes',
      async run(context) {
        const cause: StoredError = { name: 'RangeError', message: 'inner 🦊', fingerprint: 'b' }
        const error: StoredError = {
          name: 'TypeError',
          message: `it's "broken"\n${'x'.repeat(4_000)}`,
          code: 'E_BROKEN',
          stack: 'TypeError: …\n    at run (file.ts:1:1)'.repeat(50),
          fingerprint: "a'b",
          cause,
        }
        await context.enqueue(spec({ id: 'job' }))
        const { id, token } = await context.claim()
        await context.settled({ id, token, kind: 'failed', reason: 'attempts-exhausted', error })
        const record = await context.job('job')
        assert.deepEqual(record.error, error)
        assert.deepEqual(record.attempts[0]?.error, error)
        const { jobs } = await context.broker.list({ fingerprint: "a'b" })
        assert.deepEqual(
          jobs.map((job) => job.id),
          ['job'],
        )
      },
    },
    {
      name: 'fields and versions of a newer library are handed out and kept as they came',
      async run(context) {
        const extra = { colour: 'red', nested: { list: [1, null, 'x'] } }
        await context.enqueue(spec({ id: 'newer', version: 99, extra }))
        const job = await context.claim()
        assert.equal(job.version, 99)
        await context.settled(unknown(job, 0))
        await context.elapse(2)
        assert.equal((await context.claim()).version, 99)
        const record = await context.job('newer')
        assert.deepEqual([record.version, record.extra], [99, extra])
      },
    },
    {
      name: 'what a worker does not know is put back, counts nothing, and says since when',
      async run(context) {
        await context.enqueue(spec({ id: 'strange' }))
        const before = await context.now()
        let since: number | undefined
        for (let round = 0; round < 3; round += 1) {
          const job = await context.claim({}, 'strange')
          assert.equal(job.unknownSince, since)
          assert.deepEqual([job.failures, job.crashes, job.suspect], [0, 0, false])
          await context.settled(unknown(job, 400))
          const record = await context.job('strange')
          assert.deepEqual([record.state, record.failures], ['scheduled', 0])
          assert.deepEqual(await context.claimIds(), [])
          await context.elapse(401)
          const [again] = (await context.reserve()).jobs
          assert(again?.unknownSince !== undefined && again.unknownSince >= before)
          since ??= again.unknownSince
          assert.equal(again.unknownSince, since)
          await context.settled(unknown(again, 0))
          await context.elapse(2)
        }
        const last = await context.claim({}, 'strange')
        await context.settled(failed(last, 'unknown-task'))
        const { state, reason, failures } = await context.job('strange')
        assert.deepEqual([state, reason, failures], ['failed', 'unknown-task', 0])
      },
    },
    {
      name: 'a dead letter for unreadable bytes counts no failed attempt',
      async run(context) {
        await context.enqueue(spec({ id: 'job', input: { codec: 0, bytes: Uint8Array.of(0xff) } }))
        await context.settled(failed(await context.claim(), 'unreadable'))
        const { reason, failures, input } = await context.job('job')
        assert.deepEqual([reason, failures, [...input.bytes]], ['unreadable', 0, [0xff]])
      },
    },
    {
      name: 'a damaged record ends as a dead letter of its own and holds up nobody',
      needs: ['damage', 'one-shard'],
      async run(context) {
        const rare = { tags: ['t'], headers: { h: 'x' } }
        await context.enqueue(...specs(3, 'job', rare), spec({ id: 'later', ...rare, delayMs: 20 }))
        await context.harness.damage?.(context.broker, 'job-1')
        await context.harness.damage?.(context.broker, 'later')
        await context.elapse(25)
        await context.upkeep()
        const claimed = [...(await context.claimIds({ max: 9 })), ...(await context.claimIds({ max: 9 }))]
        assert.deepEqual(claimed, ['job-0', 'job-2'])
        await context.upkeep()
        await context.expect('failed', ['job-1', 'later'], 'unreadable')
        assert.equal((await context.broker.list({ limit: 10 })).jobs.length, 4)
        await context.enqueue(spec({ id: 'next' }))
        await context.claim({}, 'next')
      },
    },
    {
      name: 'a log line of any text is kept as it was given',
      async run(context) {
        await context.enqueue(spec({ id: 'job' }))
        const { id, token } = await context.claim()
        const texts = ['', "it's", 'a\nb\tc', '🦊', 'x'.repeat(4_096)]
        const notes = texts.map((text) => ({ id, token, kind: 'log', level: 'warn', text }) as const)
        assert.deepEqual(
          await context.broker.write(notes),
          texts.map(() => 'ok'),
        )
        const lines = await context.broker.logs(id)
        assert.deepEqual(
          lines.map(({ text, level, token: by }) => [text, level, by]),
          texts.map((text) => [text, 'warn', token]),
        )
        assert.deepEqual(await context.broker.get([id]).then(([record]) => record?.progress), undefined)
      },
    },
    {
      name: 'a schedule keeps its rule and its job as they were given',
      async run(context) {
        const { id: _, ...job } = spec({ input: json({ n: 1 }), tags: ["a'b"], extra: { later: 1 } })
        const schedule = {
          id: "it's",
          rule: { cron: '* * * * *', tz: null, deep: [1] },
          job,
          nextAt: 5_000,
          paused: false,
        }
        await context.broker.putSchedule(schedule)
        assert.deepEqual(await context.broker.schedules(), [schedule])
      },
    },
  ],
}

function sameBytes(actual: Payload | undefined, expected: Payload, what: string): void {
  assert(actual !== undefined, `${what}: nothing came back`)
  assert.equal(actual.codec, expected.codec, `${what}: the codec`)
  assert(actual.bytes instanceof Uint8Array, `${what}: not bytes`)
  assert(Buffer.compare(actual.bytes, expected.bytes) === 0, `${what}: other bytes came back`)
}

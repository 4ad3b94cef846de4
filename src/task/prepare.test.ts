import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { decodeJson } from '../job/codec.ts'
import type { JobSpec } from '../job/record.ts'
import type { JobOptions } from './options.ts'
import { prepareJob } from './prepare.ts'
import { type ErasedOptions, resolveTask } from './resolve.ts'
import { toRunnable } from './runnable.ts'
import { type } from './schema.ts'

const run = (): number => 1
const task = (options: object = {}): ReturnType<typeof resolveTask> =>
  resolveTask({ name: 'mail', run, ...options } as ErasedOptions, {})
const MAX = 1_048_576

async function prepare(
  definition: ReturnType<typeof task>,
  input: unknown,
  options?: JobOptions,
): Promise<JobSpec> {
  return prepareJob(definition, input, options, MAX)
}

test('a plain call gives a job of its task, at once', () => {
  const spec = prepareJob(task(), { to: 'a' }, undefined, MAX)
  expect(spec).toMatchObject({ task: 'mail', queue: 'default', priority: 5, maxCrashes: 3 })
  expect(Object.keys(spec)).toHaveLength(7)
  expect((spec as JobSpec).id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/)
  expect(decodeJson((spec as JobSpec).input)).toEqual({ to: 'a' })
})

test('an input of undefined has no bytes', async () => {
  const { input } = await prepare(task(), undefined)
  expect(input.bytes).toHaveLength(0)
  expect(toRunnable(task(), MAX).readInput(input)).toBeUndefined()
})

test('options of the job win over those of the task', async () => {
  const at = new Date('2030-01-01T00:00:00Z')
  const spec = await prepare(task({ priority: 1, retry: { attempts: 3 }, retention: { failed: 0 } }), 1, {
    id: 'own',
    runAt: at,
    priority: 9,
    expiresIn: '1m',
    queue: 'fast',
    partition: 'tenant',
    unique: 'key',
    search: { to: 'a' },
    tags: ['x', 'y', 'x'],
    headers: { trace: '1' },
    retry: { base: '1s' },
    timeout: '5s',
    retention: { succeeded: '2h' },
    maxCrashes: 1,
  })
  expect(spec).toMatchObject({
    id: 'own',
    runAt: at.getTime(),
    priority: 9,
    expiresInMs: 60_000,
    queue: 'fast',
    partition: 'tenant',
    unique: { key: 'mail/key', during: 'unfinished', onConflict: 'keep' },
    search: { to: 'a' },
    tags: ['x', 'y'],
    headers: { trace: '1' },
    retry: { attempts: 3, baseMs: 1_000 },
    timeoutMs: 5_000,
    retention: { succeededMs: 7_200_000, failedMs: 0 },
    maxCrashes: 1,
  })
})

test('a delay is kept for the broker to count, and none where it is 0', async () => {
  expect(await prepare(task(), 1, { delay: '5m' })).toMatchObject({ delayMs: 300_000 })
  expect(await prepare(task(), 1, { delay: 0, tags: [], headers: {}, search: {} })).not.toHaveProperty(
    'delayMs',
  )
})

describe('keys come from the parsed form', () => {
  const keyed = task({
    input: z.object({ to: z.string().toLowerCase(), of: z.string().default('none') }),
    partition: { by: (input: { to: string }) => input.to },
    unique: { by: (input: { of: string }) => input.of, during: 'waiting', onConflict: 'replace' },
    search: (input: { to: string }) => ({ to: input.to }),
  })

  test('once, at enqueue', async () => {
    expect(await prepare(keyed, { to: 'ADA' })).toMatchObject({
      partition: 'ada',
      unique: { key: 'mail/none', during: 'waiting', onConflict: 'replace' },
      search: { to: 'ada' },
    })
  })

  test('unless they are given as data', async () => {
    const options = { partition: 'p', unique: 'u', search: { s: 't' } }
    expect(await prepare(keyed, { to: 'ADA' }, options)).toMatchObject({
      partition: 'p',
      unique: { key: 'mail/u' },
      search: { s: 't' },
    })
  })

  test('undefined means none', async () => {
    const none = task({ partition: { by: () => undefined }, unique: { by: () => undefined } })
    const spec = await prepare(none, 1)
    expect(spec).not.toHaveProperty('partition')
    expect(spec).not.toHaveProperty('unique')
  })

  test('a long key is stored as its hash, and no two keys as one', async () => {
    const long = 'x'.repeat(510)
    const one = await prepare(task(), 1, { unique: `${long}1` })
    const other = await prepare(task(), 1, { unique: `${long}2` })
    expect(one.unique?.key).toMatch(/^mail\/sha256:[0-9a-f]{64}$/)
    expect(one.unique?.key).not.toBe(other.unique?.key)
    const a = await prepare(task({ name: 'a' }), 1, { unique: 'b:c' })
    const b = await prepare(task({ name: 'a:b' }), 1, { unique: 'c' })
    expect(a.unique?.key).not.toBe(b.unique?.key)
  })

  test.each([[''], ['x'.repeat(513)], ['a\u0000b'], ['\ud800'], [7]])('%j is no key', async (key) => {
    const bad = task({ unique: { by: () => key } })
    await expect(prepare(bad, 1)).rejects.toMatchObject({ code: 'ID_INVALID' })
  })
})

describe('what is checked and what is stored', () => {
  const schema = z.object({ to: z.email(), at: z.coerce.date().optional(), n: z.number().default(3) })

  test('the input form is stored, and the worker parses it', async () => {
    const definition = task({ input: schema })
    const { input } = await prepare(definition, { to: 'a@b.example', at: '2030-01-01', secret: 'x' })
    expect(decodeJson(input)).toEqual({ to: 'a@b.example', at: '2030-01-01', secret: 'x' })
    expect(toRunnable(definition, MAX).readInput(input)).toEqual({
      to: 'a@b.example',
      at: new Date('2030-01-01'),
      n: 3,
    })
  })

  test('store: parsed stores the parsed form without unknown keys', async () => {
    const definition = task({ input: schema.omit({ at: true }), store: 'parsed' })
    const { input } = await prepare(definition, { to: 'a@b.example', secret: 'x' })
    expect(decodeJson(input)).toEqual({ to: 'a@b.example', n: 3 })
  })

  test('store: parsed refuses what is not JSON, and what does not pass again', async () => {
    const dated = task({ input: schema, store: 'parsed' })
    await expect(prepare(dated, { to: 'a@b.example', at: '2030-01-01' })).rejects.toMatchObject({
      code: 'NOT_JSON',
      message: expect.stringContaining('parsed input.at is an instance of Date'),
    })
    const changed = task({ input: z.string().transform(Number), store: 'parsed' })
    await expect(prepare(changed, '5')).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  })

  test('the schema sees what the worker will see: undefined properties are gone', async () => {
    const seen: unknown[] = []
    const definition = task({
      input: {
        '~standard': {
          version: 1,
          vendor: 'test',
          validate: (value: unknown) => {
            seen.push(value)
            return { value }
          },
        },
      },
    })
    await prepare(definition, { a: 1, b: undefined })
    expect(Object.keys(seen[0] as object)).toEqual(['a'])
  })

  test('an input that fails its schema is refused with the path of each wrong value', async () => {
    const definition = task({
      input: z.object({ items: z.array(z.object({ n: z.number() })), to: z.email() }),
    })
    const bad = { items: [{ n: 1 }, { n: 'x' }], to: 'nobody' }
    await expect(prepare(definition, bad)).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: expect.stringMatching(/task 'mail'.*input\.items\[1\]\.n: .*; input\.to: /),
      details: { issues: [{ path: 'input.items[1].n' }, { path: 'input.to' }] },
    })
  })

  test('an asynchronous schema', async () => {
    const definition = task({ input: z.string().refine(async (text) => text !== 'bad') })
    expect(await prepare(definition, 'good')).toMatchObject({ task: 'mail' })
    await expect(prepare(definition, 'bad')).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await expect(
      toRunnable(definition, MAX).readInput((await prepare(task(), 'bad')).input),
    ).rejects.toMatchObject({
      code: 'INPUT_INVALID',
    })
  })

  test('a schema whose promises are of another kind than ours', async () => {
    // biome-ignore lint/suspicious/noThenProperty: a thenable is what some libraries answer.
    const refusing = { then: (done: (answer: object) => void) => done({ issues: [{ message: 'never' }] }) }
    const input = { '~standard': { version: 1, vendor: 'x', validate: () => refusing } }
    await expect(prepare(task({ input }), 1)).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    const foreign: unknown = runInNewContext('Promise.resolve({ issues: [{ message: "never" }] })')
    const other = { '~standard': { version: 1, vendor: 'x', validate: () => foreign } }
    await expect(prepare(task({ input: other }), 1)).rejects.toMatchObject({ code: 'INPUT_INVALID' })
  })

  test('types alone check nothing, and JSON still does', async () => {
    const definition = task({ input: type<{ at: Date }>() })
    expect(await prepare(definition, { any: 'thing' })).toMatchObject({ task: 'mail' })
    await expect(prepare(definition, { at: new Date() })).rejects.toMatchObject({ code: 'NOT_JSON' })
  })

  test('a payload above the limit is refused before it is sent anywhere', async () => {
    const text = (n: number): string => 'x'.repeat(n - 2)
    expect((await prepare(task(), text(MAX))).input.bytes).toHaveLength(MAX)
    await expect(prepare(task(), text(MAX + 1))).rejects.toMatchObject({
      code: 'PAYLOAD_TOO_LARGE',
      message: expect.stringContaining('1,048,576'),
    })
    // Fewer characters than the limit has bytes, and more bytes than it.
    await expect(prepare(task(), 'ä'.repeat(600_000))).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' })
  })
})

describe('bad options of a job', () => {
  test.each([
    [{ id: '' }, 'ID_INVALID', "id is ''"],
    [{ id: 'a\nb' }, 'ID_INVALID', 'without control characters'],
    [{ id: 'ä'.repeat(257) }, 'ID_INVALID', '1 to 512 bytes'],
    [{ delay: '5 parsecs' }, 'DURATION_INVALID', "delay is '5 parsecs'"],
    [{ delay: -1 }, 'DURATION_INVALID', 'delay is -1'],
    [{ delay: 1, runAt: 1 }, 'OPTION_INVALID', 'delay and runAt are both given'],
    [{ runAt: new Date('no') }, 'OPTION_INVALID', 'runAt is'],
    [{ runAt: 'tomorrow' }, 'OPTION_INVALID', "runAt is 'tomorrow'"],
    [{ runAt: Number.POSITIVE_INFINITY }, 'OPTION_INVALID', 'runAt is Infinity'],
    [{ priority: 12 }, 'OPTION_INVALID', 'priority is 12; a whole number from 0 to 9'],
    [{ expiresIn: 0 }, 'OPTION_INVALID', 'expiresIn is 0'],
    [{ queue: 'a b' }, 'NAME_INVALID', "'a b' is no name for a queue"],
    [{ partition: '' }, 'ID_INVALID', "partition is ''"],
    [{ tags: 'x' }, 'OPTION_INVALID', "tags is 'x'; an array of strings"],
    [{ tags: Array.from({ length: 17 }, String) }, 'OPTION_INVALID', 'at most 16, not 17'],
    [{ tags: ['a', ''] }, 'ID_INVALID', "tags[1] is ''"],
    [{ headers: { a: 1 } }, 'OPTION_INVALID', 'headers.a is a number; a string'],
    // A header may be a credential: what it says is not repeated.
    [
      { headers: { a: 'x'.repeat(4_097) } },
      'OPTION_INVALID',
      'headers.a is a string of 4097 bytes; a string of at most',
    ],
    [{ headers: 'bearer x' }, 'OPTION_INVALID', 'headers is a string of 8 bytes; an object'],
    [{ headers: { 'a\n': 'x' } }, 'OPTION_INVALID', 'a name has 1 to 128 plain characters'],
    [{ headers: ['x'] }, 'OPTION_INVALID', 'headers is an array'],
    [{ headers: new Headers({ a: 'x' }) }, 'OPTION_INVALID', 'an object of strings is needed'],
    [{ search: new Map([['a', 'x']]) }, 'OPTION_INVALID', 'an object of strings is needed'],
    [{ search: { 'a-b': 'x' } }, 'OPTION_INVALID', "search is 'a-b'; a field is named"],
    [{ search: { a: 1 } }, 'ID_INVALID', 'search.a is a value of type number'],
    [
      { search: Object.fromEntries('abcdefghi'.split('').map((k) => [k, k])) },
      'OPTION_INVALID',
      'at most 8, not 9',
    ],
    [{ retry: { attempts: -1 } }, 'OPTION_INVALID', 'retry.attempts is -1'],
    [{ timeout: 'x' }, 'DURATION_INVALID', "timeout is 'x'"],
    [{ retention: { failed: 'x' } }, 'DURATION_INVALID', 'retention.failed'],
    [{ maxCrashes: 1.5 }, 'OPTION_INVALID', 'maxCrashes is 1.5'],
    [
      { prio: 1 },
      'OPTION_INVALID',
      "options of a job of task 'mail': there is no option 'prio'; did you mean 'priority'?",
    ],
    [{ dealy: 1 }, 'OPTION_INVALID', "did you mean 'delay'?"],
  ])('%o', async (options, code, message) => {
    await expect(prepare(task(), 1, options as JobOptions)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    })
  })
})

describe('results', () => {
  const write = async (value: unknown, options: object = {}): Promise<unknown> =>
    decodeJson(await toRunnable(task(options), MAX).writeOutput(value))

  test('are written as JSON writes them', async () => {
    expect(await write({ at: new Date(0), gone: undefined, f: () => 1 })).toEqual({
      at: '1970-01-01T00:00:00.000Z',
    })
    expect(await write(undefined)).toBeUndefined()
  })

  test('go through the output schema', async () => {
    expect(await write({ id: 1, x: 2 }, { output: z.object({ id: z.number().transform(String) }) })).toEqual({
      id: '1',
    })
    await expect(write({ id: 'a' }, { output: z.object({ id: z.number() }) })).rejects.toMatchObject({
      code: 'OUTPUT_INVALID',
      message: expect.stringContaining('output.id: '),
    })
    const slow = z.number().refine(async (n) => n > 1)
    expect(await write(2, { output: slow })).toBe(2)
    await expect(write(1, { output: slow })).rejects.toMatchObject({ code: 'OUTPUT_INVALID' })
  })

  test('are refused where JSON has no form for them, and above the limit', async () => {
    await expect(write({ n: 1n })).rejects.toMatchObject({
      code: 'NOT_JSON',
      message: expect.stringContaining('result.n'),
    })
    await expect(write('x'.repeat(MAX))).rejects.toMatchObject({ code: 'PAYLOAD_TOO_LARGE' })
  })

  test('a definition without a handler cannot be run', () => {
    expect(() => toRunnable({ ...task(), run: undefined }, MAX)).toThrow(
      expect.objectContaining({ code: 'TASK_NOT_IMPLEMENTED' }),
    )
  })
})

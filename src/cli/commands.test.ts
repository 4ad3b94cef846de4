// Proves the commands on one memory broker: what they print for people and for machines, and their exit codes.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type IoOptions, type Ran, runCli } from '../../test/cli/io.ts'
import { offstage } from '../app/app.ts'
import type { Broker } from '../broker/contract.ts'
import { memory } from '../brokers/memory/memory.ts'
import { silentLogger } from '../runtime/logger.ts'

const SLOT = 'offstageAppOfTheTest'

let folder: string
let broker: Broker
let calls = 0

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'offstage-commands-'))
  broker = memory()
  await broker.open()
})
afterEach(async () => {
  await broker.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Each command closes the app that it was given; the broker beneath stays open for the next one. */
function makeApp() {
  const kept = new Proxy(broker, {
    get(target, key) {
      if (key === 'open' || key === 'close') return () => Promise.resolve()
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  const app = offstage({ broker: kept, logger: silentLogger })
  const add = app.task({
    name: 'add',
    input: positive,
    retry: { attempts: 1 },
    run(input, ctx) {
      ctx.log.info('adding \u001b[31m')
      if (input.n === 13) throw new Error('unlucky \u001b[2J')
      return { sum: input.n + 1 }
    },
  })
  return { app, add }
}

/** A schema without any library. */
const positive = {
  '~standard': {
    version: 1 as const,
    vendor: 'test',
    validate: (value: unknown) => {
      const n = typeof value === 'object' && value !== null && 'n' in value ? value.n : undefined
      return typeof n === 'number' && n > 0
        ? { value: { n } }
        : { issues: [{ message: 'must be above 0', path: ['n'] }] }
    },
  },
}

async function cli(argv: readonly string[], options: IoOptions = {}): Promise<Ran> {
  calls += 1
  const entry = join(folder, `entry-${calls}.mjs`)
  writeFileSync(entry, `export const app = globalThis.${SLOT}`)
  Reflect.set(globalThis, SLOT, makeApp().app)
  return runCli([...argv, '--entry', entry], { cwd: folder, ...options })
}

async function runJobs(count: number): Promise<void> {
  const { app, add } = makeApp()
  const worker = app.worker({ tasks: [add], grace: 0 })
  await worker.start()
  try {
    await expect
      .poll(
        async () => {
          const counts = await app.jobs.counts()
          return counts.succeeded + counts.failed
        },
        { timeout: 10_000 },
      )
      .toBe(count)
  } finally {
    await app.close()
  }
}

describe('enqueue', () => {
  test('prints the id, and says when it was there already', async () => {
    const first = await cli(['enqueue', 'add', '{"n":1}', '--id', 'a', '--header', 'x=1', '--priority', '9'])
    expect(first).toEqual({ code: 0, stdout: 'a\n', stderr: '' })
    const second = await cli(['enqueue', 'add', '{"n":1}', '--id', 'a', '--json'])
    expect(JSON.parse(second.stdout)).toEqual({ id: 'a', task: 'add', duplicate: true })
    const [record] = await broker.get(['a'])
    expect(record).toMatchObject({ priority: 9, headers: { x: '1' } })
  })

  test('reads JSON from stdin', async () => {
    expect((await cli(['enqueue', 'add', '-', '--id', 'b'], { stdin: '{"n":5}' })).code).toBe(0)
    const [record] = await broker.get(['b'])
    expect(Buffer.from(record?.input.bytes ?? []).toString()).toBe('{"n":5}')
  })

  test.each<[string, readonly string[], number, string]>([
    ['an input that fails the schema', ['add', '{"n":0}'], 2, 'must be above 0'],
    ['text that is no JSON', ['add', '{n:1}'], 2, 'is not JSON'],
    ['an unknown task', ['ad', '{"n":1}'], 4, "did you mean 'add'?"],
    ['a negative delay', ['add', '{"n":1}', '--delay=-5s'], 2, "delay is '-5s'"],
    ['a priority out of range', ['add', '{"n":1}', '--priority', '10'], 2, 'from 0 to 9'],
    ['a bad header', ['add', '{"n":1}', '--header', 'x'], 2, 'name=value'],
    ['no task', [], 2, 'too few arguments'],
    ['too much', ['add', '1', '2'], 2, "unexpected argument '2'"],
  ])('%s', async (_, argv, code, message) => {
    const ran = await cli(['enqueue', ...argv])
    expect(ran).toMatchObject({ code, stdout: '' })
    expect(ran.stderr).toContain(message)
    expect((await broker.list({})).jobs).toEqual([])
  })
})

describe('jobs', () => {
  beforeEach(async () => {
    const { add } = makeApp()
    await add.enqueue({ n: 1 }, { id: 'one', tags: ['t'], search: { who: 'ada' } })
    await add.enqueue({ n: 13 }, { id: 'bad' })
    await runJobs(2)
    await add.enqueue({ n: 2 }, { id: 'later', delay: '1h', queue: 'slow' })
  })

  test('ls for people: a table, and nothing raw from an error', async () => {
    const { code, stdout } = await cli(['jobs', 'ls'])
    expect(code).toBe(0)
    expect(stdout).toContain('ID     STATE')
    expect(stdout).toMatch(/later\s+scheduled\s+add\s+slow\s+now\s+0\s+due in/)
    expect(stdout).toContain('unlucky \\x1b[2J')
    expect(stdout).not.toContain('\u001b')
  })

  test('ls for machines: one document, moments in ISO, pages with a cursor', async () => {
    const page = JSON.parse((await cli(['jobs', 'ls', '--json', '--oldest', '--limit', '2'])).stdout)
    expect(page.jobs.map(({ id }: { id: string }) => id)).toEqual(['one', 'bad'])
    expect(page.jobs[1]).toMatchObject({
      task: 'add',
      queue: 'default',
      state: 'failed',
      failures: 1,
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      error: { name: 'Error' },
    })
    const rest = JSON.parse(
      (await cli(['jobs', 'ls', '--json', '--oldest', '--limit', '2', '--cursor', page.cursor])).stdout,
    )
    expect(rest.jobs.map(({ id }: { id: string }) => id)).toEqual(['later'])
  })

  test.each<[readonly string[], readonly string[]]>([
    [['--state', 'failed'], ['bad']],
    [
      ['--state', 'failed,scheduled'],
      ['later', 'bad'],
    ],
    [['--queue', 'slow'], ['later']],
    [['--task', 'other'], []],
    [['--search', 'who=ada'], ['one']],
    [['--tag', 't'], ['one']],
    [
      ['--since', '1h'],
      ['later', 'bad', 'one'],
    ],
    [['--since', '2999-01-01'], []],
  ])('ls %j', async (argv, ids) => {
    const { stdout } = await cli(['jobs', 'ls', '--json', ...argv])
    expect(JSON.parse(stdout).jobs.map(({ id }: { id: string }) => id)).toEqual(ids)
  })

  test.each<[readonly string[], string]>([
    [['--state', 'faild'], "did you mean 'failed'?"],
    [['--since', 'yesterday'], 'a duration is'],
    [['--since', '2030-99-99'], 'a date looks like'],
    [['--limit', '0'], 'from 1 to'],
    [['--search', 'who'], 'name=value'],
    [['extra'], "unexpected argument 'extra'"],
  ])('ls %j is refused', async (argv, message) => {
    const ran = await cli(['jobs', 'ls', ...argv])
    expect(ran.code).toBe(2)
    expect(ran.stderr).toContain(message)
  })

  test('show', async () => {
    const { code, stdout } = await cli(['jobs', 'show', 'bad', '--logs'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^state {7}failed$/m)
    expect(stdout).toContain('input       {"n":13}')
    expect(stdout).toContain('info   adding \\x1b[31m')
    expect(stdout).not.toContain('\u001b')
    const json = JSON.parse((await cli(['jobs', 'show', 'one', '--json', '--logs'])).stdout)
    expect(json).toMatchObject({ id: 'one', state: 'succeeded', input: { n: 1 }, result: { sum: 2 } })
    expect(json.logs).toHaveLength(1)
    expect(json.attempts).toMatchObject([{ outcome: 'succeeded', endedAt: expect.stringContaining('T') }])
  })

  test('show cuts what is long, unless asked for all of it', async () => {
    const { app } = makeApp()
    await app.define({ name: 'long' }).enqueue('x'.repeat(5_000), { id: 'long' })
    expect((await cli(['jobs', 'show', 'long'])).stdout).toContain('--full shows them')
    expect((await cli(['jobs', 'show', 'long', '--full'])).stdout).toContain('x'.repeat(5_000))
  })

  test('show of a job that is not there: 4', async () => {
    const ran = await cli(['jobs', 'show', 'nobody\u001b[0m', '--json'])
    expect(ran).toMatchObject({ code: 4, stdout: '' })
    expect(JSON.parse(ran.stderr)).toEqual({
      error: { code: 'NOT_FOUND', message: "no job 'nobody\\x1b[0m' is kept here" },
    })
  })

  test('retry, cancel and rm by id: done, left alone, not there', async () => {
    expect(await cli(['jobs', 'retry', 'bad'])).toEqual({ code: 0, stdout: 'bad retried\n', stderr: '' })
    const left = await cli(['jobs', 'retry', 'one'])
    expect(left).toMatchObject({ code: 1, stdout: '' })
    expect(left.stderr).toContain('one was left alone: it is succeeded')
    const both = await cli(['jobs', 'cancel', 'later', 'nobody', '--json'])
    expect(both.code).toBe(4)
    expect(JSON.parse(both.stdout)).toEqual({ done: ['later'], skipped: [], missing: ['nobody'] })
    expect((await cli(['jobs', 'rm', 'one', 'later'])).stdout).toBe('one deleted\nlater deleted\n')
    expect((await broker.list({})).jobs.map(({ id, state }) => [id, state])).toEqual([['bad', 'ready']])
  })

  test('by filter: asks at a terminal, wants --yes elsewhere', async () => {
    const refused = await cli(['jobs', 'retry', '--state', 'failed'])
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain('--yes')
    const no = await cli(['jobs', 'retry', '--state', 'failed'], { tty: true, stdin: 'n\n' })
    expect(no.code).toBe(1)
    expect(no.stderr).toContain('retry 1 job? [y/N]')
    expect((await broker.get(['bad']))[0]?.state).toBe('failed')
    const yes = await cli(['jobs', 'retry', '--state', 'failed'], { tty: true, stdin: 'y\n' })
    expect(yes).toMatchObject({ code: 0, stdout: '1 job retried\n' })
  })

  test('neither ids nor filters, or both: 2', async () => {
    expect((await cli(['jobs', 'rm'])).code).toBe(2)
    expect((await cli(['jobs', 'rm', 'one', '--task', 'add'])).code).toBe(2)
  })

  test('by filter goes through all pages', async () => {
    const { app, add } = makeApp()
    await app.enqueue([])
    await add.enqueueMany(
      Array.from({ length: 1_234 }, (_, i) => ({ n: i + 1 })),
      { delay: '1h', queue: 'many' },
    )
    const ran = await cli(['jobs', 'cancel', '--queue', 'many', '--yes'])
    expect(ran).toMatchObject({ code: 0, stdout: '1,234 jobs cancelled\n' })
    const removed = await cli(['jobs', 'rm', '--queue', 'many', '--state', 'cancelled', '--yes', '--json'])
    expect(JSON.parse(removed.stdout).done).toHaveLength(1_234)
    const none = await cli(['jobs', 'rm', '--queue', 'many', '--yes'])
    expect(none).toMatchObject({ code: 0, stdout: '0 jobs deleted\n' })
  })
})

describe('queues', () => {
  test('pause and resume', async () => {
    await makeApp().add.enqueue({ n: 1 })
    expect(await cli(['queues', 'pause', 'default'])).toEqual({
      code: 0,
      stdout: 'default paused\n',
      stderr: '',
    })
    const { queues } = JSON.parse((await cli(['queues', 'ls', '--json'])).stdout)
    expect(queues).toMatchObject([{ queue: 'default', paused: true, counts: { ready: 1, failed: 0 } }])
    expect((await cli(['queues', 'ls'])).stdout).toContain('paused')
    expect(JSON.parse((await cli(['queues', 'resume', 'default', '--json'])).stdout)).toEqual({
      queue: 'default',
      paused: false,
    })
    expect((await cli(['queues', 'pause', 'no name'])).code).toBe(2)
  })

  test('limits are set, shown and cleared', async () => {
    const set = await cli([
      'queues',
      'limit',
      'mail',
      '--concurrency',
      '3',
      '--rate',
      '100/m',
      '--partition-rate',
      '1/s',
      '--json',
    ])
    expect(JSON.parse(set.stdout)).toEqual({
      queue: 'mail',
      limit: { concurrency: 3, rate: '100/m', source: 'set' },
      partitionLimit: { rate: '1/s', source: 'set' },
    })
    expect((await cli(['queues', 'limit', 'mail'])).stdout).toBe(
      'mail: 3 at once, 100/m (set by hand)\neach partition: 1/s (set by hand)\n',
    )
    expect((await cli(['queues', 'ls'])).stdout).toContain('3 at once, 100/m; each partition 1/s')
    const cleared = await cli(['queues', 'limit', 'mail', '--clear', '--json'])
    expect(JSON.parse(cleared.stdout)).toEqual({ queue: 'mail', limit: null, partitionLimit: null })
    expect((await cli(['queues', 'limit', 'mail', '--clear', '--rate', '1/s'])).code).toBe(2)
    expect((await cli(['queues', 'limit', 'mail', '--rate', 'fast'])).code).toBe(2)
    expect((await cli(['queues', 'limit', 'mail', '--concurrency', '0'])).code).toBe(2)
  })
})

test('status', async () => {
  const { add } = makeApp()
  await add.enqueue({ n: 1 })
  await add.enqueue({ n: 13 })
  await runJobs(2)
  const json = JSON.parse((await cli(['status', '--json'])).stdout)
  expect(json).toMatchObject({
    broker: { name: 'memory', namespace: 'default' },
    counts: { succeeded: 1, failed: 1, ready: 0 },
    workers: [],
  })
  expect(json.minutes).toHaveLength(5)
  const done = json.minutes.reduce((sum: number, minute: { succeeded: number }) => sum + minute.succeeded, 0)
  expect(done).toBe(1)
  const { stdout } = await cli(['status'])
  expect(stdout).toMatch(/^succeeded +1$/m)
  expect(stdout).toContain('no worker is running')
  expect(stdout).toContain('this one')
})

test('doctor', async () => {
  const { code, stdout } = await cli(['doctor', '--json'])
  const { ok, checks } = JSON.parse(stdout)
  expect({ code, ok }).toEqual({ code: 0, ok: true })
  expect(checks).toContainEqual({ name: 'tasks', status: 'ok', message: '1 task: add' })
  expect(checks.map(({ name }: { name: string }) => name)).toEqual(
    expect.arrayContaining(['node', 'config', 'typescript', 'broker', 'engine', 'durability', 'clock']),
  )
})

test('doctor tells what it sees of a server, and no command tells a password', async () => {
  const { stdout } = await cli(['doctor', '--broker', 'sqlite::memory:'])
  expect(stdout).toContain('sqlite at the memory of this process, named by --broker')
  expect(stdout).toMatch(/facts +file :memory:, schema version \d+, page size \d+/)
  for (const url of ['redis://u:hunter2@127.0.0.1:1', 'redis://u:hunter2@h?shard=1', 'redis://u:hunter2@h:x'])
    for (const command of [['doctor'], ['doctor', '--json'], ['status'], ['jobs', 'ls']]) {
      const ran = await cli([...command, '--broker', url])
      expect(ran.code).not.toBe(0)
      expect(ran.stdout + ran.stderr).not.toContain('hunter2')
    }
})

test('a namespace that the app does not use is said', async () => {
  const ran = await cli(['jobs', 'ls', '--namespace', 'other'])
  expect(ran.code).toBe(2)
  expect(ran.stderr).toContain("the app keeps its jobs in 'default'")
})

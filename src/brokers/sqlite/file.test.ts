// The file: what it is, who may read it, what happens where it cannot be used, and several users of one.
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Broker } from '../../broker/contract.ts'
import { defaultRetention } from '../../job/defaults.ts'
import type { JobSpec } from '../../job/record.ts'
import { pickEngine } from './engine.ts'
import { APPLICATION_ID, SCHEMA_VERSION } from './schema.ts'
import { type SqliteOptions, sqlite } from './sqlite.ts'

let folder: string
let open: Broker[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'offstage-sqlite-'))
  open = []
})

afterEach(async () => {
  for (const broker of open) await broker.close()
  rmSync(folder, { recursive: true, force: true })
})

async function start(file = join(folder, 'jobs.db'), options: Partial<SqliteOptions> = {}): Promise<Broker> {
  const broker = sqlite({ file, ...options })
  open.push(broker)
  await broker.open()
  return broker
}

function job(id: string, fields: Partial<JobSpec> = {}): JobSpec {
  const input = { codec: 0, bytes: new TextEncoder().encode('{}') }
  return {
    id,
    task: 'work',
    queue: 'main',
    priority: 5,
    input,
    retention: defaultRetention,
    maxCrashes: 3,
    ...fields,
  }
}

const request = {
  queues: ['main'],
  max: 10,
  leaseMs: 30_000,
  worker: 'w',
  starting: 10,
  suspects: 1,
} as const

async function query(file: string, sql: string): Promise<unknown> {
  const db = (await pickEngine()).open(file)
  try {
    return db.prepare(sql).get()?.[0]
  } finally {
    db.close()
  }
}

async function execute(file: string, sql: string): Promise<void> {
  const db = (await pickEngine()).open(file)
  db.exec(sql)
  db.close()
}

describe('what the file is', () => {
  test('it says whose it is, and nobody else may read it or its log', async () => {
    const file = join(folder, 'deep', 'er', 'jobs.db')
    const broker = await start(file)
    await broker.enqueue([[job('a')]])
    for (const suffix of ['', '-wal', '-shm', '-wake'])
      expect(statSync(`${file}${suffix}`).mode & 0o777).toBe(0o600)
    await broker.close()
    expect(await query(file, 'PRAGMA application_id')).toBe(APPLICATION_ID)
    expect(await query(file, 'PRAGMA user_version')).toBe(SCHEMA_VERSION)
    expect(await query(file, 'PRAGMA integrity_check')).toBe('ok')
  })

  test('its mode is kept where it was there', async () => {
    const file = join(folder, 'jobs.db')
    await (await start(file)).close()
    chmodSync(file, 0o660)
    await start(file)
    expect(statSync(file).mode & 0o777).toBe(0o660)
  })

  test('health tells engine, durability and sizes', async () => {
    const broker = await start()
    const health = await broker.health()
    expect(health.engine).toMatch(/^SQLite 3\.\d+\.\d+ by (node:sqlite|better-sqlite3)$/)
    expect(health.durability).toBe('synchronous=FULL, wal')
    expect(health.facts).toMatchObject({ schemaVersion: SCHEMA_VERSION, fileBytes: expect.any(Number) })
    const normal = await start(join(folder, 'other.db'), { durability: 'normal' })
    expect((await normal.health()).durability).toBe('synchronous=NORMAL, wal')
  })
})

describe('a file that cannot be used', () => {
  test('no database at all: refused, not changed, and fine once it is gone', async () => {
    const file = join(folder, 'notes.txt')
    const text = 'these are notes and no database, whoever asks. '.repeat(50)
    writeFileSync(file, text)
    const broker = sqlite({ file })
    open.push(broker)
    await expect(broker.open()).rejects.toMatchObject({ code: 'STORE_NOT_A_DATABASE' })
    expect(readFileSync(file, 'utf8')).toBe(text)
    expect(existsSync(`${file}-wal`)).toBe(false)
    rmSync(file)
    await broker.open()
    expect(await broker.enqueue([[job('a')]])).toMatchObject([{ ok: true }])
  })

  test.each(['CREATE TABLE users (id INTEGER)', 'PRAGMA application_id = 77'])(
    'a database of something else (%s) is left alone',
    async (sql) => {
      const file = join(folder, 'other.db')
      await execute(file, `${sql};`)
      const before = readFileSync(file)
      await expect(start(file)).rejects.toMatchObject({ code: 'STORE_NOT_A_DATABASE' })
      expect(readFileSync(file).equals(before)).toBe(true)
    },
  )

  test('a newer store that this version may not read', async () => {
    const file = join(folder, 'jobs.db')
    await (await start(file)).close()
    await execute(file, `PRAGMA user_version = 99; UPDATE meta SET value = '99' WHERE key = 'readable_by'`)
    await expect(start(file)).rejects.toMatchObject({ code: 'STORE_TOO_NEW' })
  })

  test('a newer store that says that this version may read it', async () => {
    const file = join(folder, 'jobs.db')
    await (await start(file)).close()
    await execute(file, 'PRAGMA user_version = 99')
    const broker = await start(file)
    expect(await broker.enqueue([[job('a')]])).toMatchObject([{ ok: true }])
    await broker.close()
    expect(await query(file, 'PRAGMA user_version')).toBe(99)
  })

  test('another namespace', async () => {
    const file = join(folder, 'jobs.db')
    await start(file, { namespace: 'shop' })
    await expect(start(file, { namespace: 'blog' })).rejects.toMatchObject({ code: 'OPTION_INVALID' })
  })

  test.each(['a folder', 'below a file', 'in a place where no folder can be made'])('%s', async (what) => {
    const plain = join(folder, 'plain')
    writeFileSync(plain, '')
    const file = {
      'a folder': join(folder, 'folder.db'),
      'below a file': join(plain, 'jobs.db'),
      'in a place where no folder can be made': '/proc/no-such-folder/jobs.db',
    }[what] as string
    if (what === 'a folder') mkdirSync(file)
    await expect(start(file)).rejects.toMatchObject({
      code: 'STORE_READONLY',
      message: expect.stringContaining(file),
    })
  })

  test('a call on a broker that is not open, or was closed', async () => {
    const broker = sqlite({ file: ':memory:' })
    await expect(broker.get(['a'])).rejects.toMatchObject({ code: 'BROKER_CLOSED' })
    await broker.open()
    await broker.close()
    await broker.close()
    await expect(broker.get(['a'])).rejects.toMatchObject({ code: 'BROKER_CLOSED' })
    await expect(broker.open()).rejects.toMatchObject({ code: 'BROKER_CLOSED' })
  })
})

describe('a full disk', () => {
  const disk = mkdtempSync(join(tmpdir(), 'offstage-disk-'))
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', disk]).status === 0

  test.skipIf(!mounted)('rejects, changes nothing, and goes on once there is room', async () => {
    const ballast = join(disk, 'ballast')
    try {
      const broker = await start(join(disk, 'jobs.db'))
      expect(await broker.enqueue([[job('before')]])).toMatchObject([{ ok: true }])
      const { jobs } = await broker.reserve(request)
      fill(ballast)
      const large = { codec: 0, bytes: new Uint8Array(900_000) }
      await expect(broker.enqueue([[job('large', { input: large })]])).rejects.toMatchObject({
        code: 'STORE_FULL',
      })
      expect((await broker.get(['large', 'before'])).map((record) => record?.state)).toEqual([
        undefined,
        'active',
      ])
      rmSync(ballast)
      expect(await broker.enqueue([[job('large', { input: large })]])).toMatchObject([{ ok: true }])
      const outcomes = jobs.map(({ id, token }) => ({ kind: 'succeeded' as const, id, token, result: large }))
      expect((await broker.settle({ outcomes })).answers).toEqual(['ok'])
      await broker.close()
      expect(await query(join(disk, 'jobs.db'), 'PRAGMA integrity_check')).toBe('ok')
    } finally {
      for (const broker of open) await broker.close()
      spawnSync('umount', [disk])
      rmSync(disk, { recursive: true, force: true })
    }
  })

  function fill(path: string): void {
    try {
      for (let size = 1; ; size += 1) writeFileSync(path, new Uint8Array(size * 65_536))
    } catch (error) {
      expect(error).toMatchObject({ code: 'ENOSPC' })
    }
  }
})

describe('several users of one file', () => {
  test('each sees what the others did, and a job goes to one', async () => {
    const brokers = await Promise.all([start(), start(), start()])
    const [a, b, c] = brokers as [Broker, Broker, Broker]
    await Promise.all(
      brokers.map((broker, which) =>
        Promise.all(Array.from({ length: 40 }, (_, index) => broker.enqueue([[job(`${which}-${index}`)]]))),
      ),
    )
    const claims = await Promise.all(brokers.map((broker) => broker.reserve({ ...request, max: 60 })))
    const ids = claims.flatMap(({ jobs }) => jobs.map(({ id }) => id))
    expect(new Set(ids).size).toBe(120)
    expect(ids).toHaveLength(120)
    // Settled by another broker than the one that claimed.
    const outcomes = claims.flatMap(({ jobs }) =>
      jobs.map(({ id, token }) => ({
        kind: 'succeeded' as const,
        id,
        token,
        result: { codec: 0, bytes: new Uint8Array(0) },
      })),
    )
    expect((await c.settle({ outcomes })).answers).toEqual(outcomes.map(() => 'ok'))
    expect((await a.settle({ outcomes })).answers).toEqual(outcomes.map(() => 'ok'))
    expect((await b.queues())[0]?.counts).toMatchObject({ active: 0, succeeded: 120 })
  })

  test('limits and pauses set by one hold for the others at once', async () => {
    const [a, b] = (await Promise.all([start(), start()])) as [Broker, Broker]
    await a.enqueue([[job('1'), job('2'), job('3')]])
    expect((await b.reserve({ ...request, max: 1 })).jobs).toHaveLength(1)
    await a.limit([{ scope: { kind: 'queue', queue: 'main' }, source: 'set', limit: { concurrency: 2 } }])
    expect((await b.reserve(request)).jobs).toHaveLength(1)
    expect((await b.reserve(request)).jobs).toHaveLength(0)
    await a.limit([{ scope: { kind: 'queue', queue: 'main' }, source: 'set', limit: null }])
    await a.pause('main', true)
    expect((await b.reserve(request)).jobs).toHaveLength(0)
    await a.pause('main', false)
    expect((await b.reserve(request)).jobs).toHaveLength(1)
  })

  test('who waits is woken by another, also after the file for waking was removed', async () => {
    const [a, b] = (await Promise.all([start(), start()])) as [Broker, Broker]
    const wake = join(folder, 'jobs.db-wake')
    for (const round of [1, 2, 3]) {
      await b.reserve(request)
      const stop = new AbortController()
      const woken = b.wake(['main'], stop.signal).then(() => 'woken')
      await vi.waitFor(() => expect(existsSync(wake)).toBe(true))
      if (round === 2) rmSync(wake)
      await a.enqueue([[job(`job-${round}`)]])
      expect(await woken).toBe('woken')
      stop.abort()
      expect((await b.reserve(request)).jobs).toHaveLength(1)
    }
  })

  test('many that make the same new file at once all find it theirs', async () => {
    for (let round = 0; round < 4; round += 1) {
      const file = join(folder, `new-${round}.db`)
      await Promise.all(Array.from({ length: 6 }, () => start(file)))
    }
  })

  test('who listens hears what happens through another', async () => {
    const [a, b] = (await Promise.all([start(), start()])) as [Broker, Broker]
    const heard: string[] = []
    const stop = new AbortController()
    await b.events((events) => heard.push(...events.map(({ id, state }) => `${id} ${state}`)), stop.signal)
    // The others have to hear first that somebody listens.
    let made = 0
    await vi.waitFor(async () => {
      made += 1
      await a.enqueue([[job(`far-${made}`)]])
      expect(heard.some((line) => /^far-\d+ ready$/.test(line))).toBe(true)
    }, 10_000)
    await b.enqueue([[job('near')]])
    await vi.waitFor(() => expect(heard).toContain('near ready'))
    expect(heard.filter((line) => line === 'near ready')).toHaveLength(1)
    stop.abort()
  })
})

test('a host whose clock is set back does not move broker time', async () => {
  const file = join(folder, 'jobs.db')
  let wall = 2_000_000_000_000
  const clock = {
    now: () => wall,
    monotonic: () => performance.now(),
    schedule: () => ({ cancel: () => undefined }),
  }
  const first = await start(file, { clock })
  await first.enqueue([[job('a')]])
  wall -= 3_600_000
  await first.enqueue([[job('b')]])
  await first.close()
  const second = await start(file, { clock })
  await second.enqueue([[job('c')]])
  const times = (await second.get(['a', 'b', 'c'])).map((record) => record?.createdAt ?? 0)
  expect(times[0]).toBe(2_000_000_000_000)
  expect(times).toEqual([...times].sort((x, y) => x - y))
})

test('a trip of many: each group is answered by itself', async () => {
  const broker = await start()
  await broker.enqueue([[job('taken', { task: 'other' })]])
  const answers = await broker.enqueue([
    [job('a'), job('b')],
    [job('c'), job('taken'), job('d')],
    [job('e', { after: [{ id: 'nobody', when: 'ended' }] })],
    [job('f'), job('a')],
  ])
  expect(answers).toMatchObject([
    { ok: true },
    { ok: false, code: 'ID_TAKEN', id: 'taken' },
    { ok: false, code: 'DEPENDENCY_MISSING', id: 'e' },
    { ok: true, jobs: [{ status: 'enqueued' }, { status: 'duplicate', id: 'a', by: 'id' }] },
  ])
  const there = await broker.get(['a', 'b', 'c', 'd', 'e', 'f'])
  expect(there.map((record) => record?.id)).toEqual(['a', 'b', undefined, undefined, undefined, 'f'])
  expect((await broker.queues())[0]?.counts.ready).toBe(4)
})

test('an idle broker does not keep its process alive, and a call does', () => {
  const file = join(folder, 'jobs.db')
  const module = new URL('./sqlite.ts', import.meta.url).href
  const script = `
    import { sqlite } from '${module}'
    const broker = sqlite({ file: ${JSON.stringify(file)} })
    await broker.open()
    const { now } = await broker.health()
    void broker.wake(['main'], new AbortController().signal)
    console.log(now > 0)
  `
  const done = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script], {
    encoding: 'utf8',
    timeout: 20_000,
  })
  expect([done.status, done.stdout.trim(), done.stderr]).toEqual([0, 'true', ''])
})

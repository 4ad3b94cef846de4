// Proves `offstage worker --processes` with real processes: their work, what becomes of it when they are killed, rolled,
// recycled and drained, and what probes are told.
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { offstage, type Task } from '../../src/index.ts'
import { freePort } from '../support/ports.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { redisTest } from '../support/redis-tests.ts'
import { ask } from './probing.ts'
import { Project, type Running } from './project.ts'

const tasks = `
import { appendFileSync, existsSync } from 'node:fs'
import { offstage } from 'offstage'

export const app = offstage({ broker: 'sqlite:jobs.db' })

/** Writes down who ran it, takes a moment, and is done. */
export const record = app.task({
  name: 'record',
  async run(input: number, ctx) {
    appendFileSync('runs', ctx.job.id + ' ' + process.pid + '\\n')
    await new Promise((resolve) => setTimeout(resolve, 20))
    return input
  },
})

/** Says so and waits for a file. */
export const hold = app.task({
  name: 'hold',
  async run(input: { file: string }, ctx) {
    console.error('holding in ' + process.pid)
    while (!existsSync(input.file) && !ctx.signal.aborted) await new Promise((resolve) => setTimeout(resolve, 10))
    return 'let go'
  },
})

const kept: unknown[] = []
/** Keeps memory for good. */
export const leak = app.task({
  name: 'leak',
  run(megabytes: number) {
    kept.push(Buffer.alloc(megabytes * 1024 * 1024, 1))
    return process.pid
  },
})

/** Blocks the loop. */
export const block = app.task({
  name: 'block',
  run() {
    console.error('blocking')
    for (;;) if (existsSync('unblock')) return
  },
})
`

// Each starts several processes, one after another.
vi.setConfig({ testTimeout: 90_000 })

let project: Project
/** A producer in this process, on the same file. */
let app: ReturnType<typeof offstage>

beforeEach(() => {
  project = new Project()
  project.write('tasks.ts', tasks)
  app = offstage({ broker: `sqlite:${project.path('jobs.db')}` })
})
afterEach(async () => {
  await app.close()
  await project.close()
})

function task<In>(name: string): Task<In, unknown> {
  return app.define({ name }) as unknown as Task<In, unknown>
}

function supervise(...options: readonly string[]): Running {
  return project.start(['worker', './tasks.ts', '--processes', '2', ...options])
}

/** Of the children, in the order in which they were ready. */
function readyPids({ stderr }: Running): readonly number[] {
  return [...stderr.matchAll(/, worker \S+:(\d+):[0-9a-f]+/g)].map(([, pid]) => Number(pid))
}

function holdingPids({ stderr }: Running): readonly number[] {
  return [...stderr.matchAll(/^holding in (\d+)$/gm)].map(([, pid]) => Number(pid))
}

/** What ran, as ids, in order. */
function runs(): readonly string[] {
  const text = existsSync(project.path('runs')) ? readFileSync(project.path('runs'), 'utf8') : ''
  return text.split('\n').flatMap((line) => (line === '' ? [] : [line.split(' ')[0] ?? '']))
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    // ESRCH is the answer that is waited for.
    return false
  }
}

const inputs = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

test('several processes work at the same time; SIGTERM drains all of them and exits 0', async () => {
  const worker = supervise('-c', '1')
  await worker.says('offstage worker ready', 2)
  const jobs = await task<{ file: string }>('hold').enqueueMany([{ file: 'go' }, { file: 'go' }])
  await worker.says('holding in', 2)
  const pids = readyPids(worker)
  expect([...holdingPids(worker)].sort()).toEqual([...pids].sort())

  worker.kill('SIGTERM')
  await worker.says('SIGTERM: draining 2 processes; a second signal ends them at once')
  await worker.says('offstage worker: draining', 2)
  project.write('go', '')
  expect(await worker.ended).toMatchObject({ code: 0, signal: null, stdout: '' })
  expect(pids.map(isAlive)).toEqual([false, false])
  for (const job of jobs) expect(await job.result()).toBe('let go')
})

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('a second %s ends all at once with %i', async (signal, code) => {
  const worker = supervise('-c', '1')
  await worker.says('offstage worker ready', 2)
  await task<{ file: string }>('hold').enqueueMany([{ file: 'never' }, { file: 'never' }])
  await worker.says('holding in', 2)
  worker.kill(signal)
  await worker.says('draining 2 processes')
  worker.kill(signal)
  expect(await worker.ended).toMatchObject({ code, signal: null })
  await expect.poll(() => readyPids(worker).map(isAlive), { timeout: 20_000 }).toEqual([false, false])
})

test('a killed process is replaced, and its job runs again', async () => {
  const worker = supervise('-c', '1', '--lease', '500ms')
  await worker.says('offstage worker ready', 2)
  const job = await task<{ file: string }>('hold').enqueue({ file: 'go' })
  await worker.says('holding in')
  const [pid = 0] = holdingPids(worker)
  process.kill(pid, 'SIGKILL')
  await worker.says(`(pid ${pid}) ended with SIGKILL after`)
  await worker.says('offstage worker ready', 3)
  await worker.says('holding in', 2)
  project.write('go', '')
  expect(await job.result({ timeout: '20s' })).toBe('let go')
  worker.kill('SIGTERM')
  expect((await worker.ended).code).toBe(0)
})

test('SIGHUP replaces all in turn: always somebody is ready, and each job runs once', async () => {
  const worker = supervise('--probe', 'unix:probe.sock', '-c', '2')
  await worker.says('offstage worker ready', 2)
  const before = readyPids(worker)
  // Some seconds of work for all of them.
  const jobs = await task<number>('record').enqueueMany(inputs(600))

  let over = false
  const statuses = new Set<number>()
  const probing = (async () => {
    while (!over) statuses.add((await ask(project.path('probe.sock'), '/ready')).status)
  })()
  worker.kill('SIGHUP')
  await worker.says('offstage worker: the rolling restart is complete')
  over = true
  await probing
  expect([...statuses]).toEqual([200])

  // By history: nobody drained before one more was ready.
  const moves = [...worker.stderr.matchAll(/^offstage worker(: draining| ready)/gm)].map(([, what]) => what)
  expect(moves).toEqual([' ready', ' ready', ' ready', ': draining', ' ready', ': draining'])
  expect(before.map(isAlive)).toEqual([false, false])
  for (const [i, job] of jobs.entries()) expect(await job.result({ timeout: '20s' })).toBe(i)
  expect([...runs()].sort()).toEqual(jobs.map(({ id }) => id).sort())
  worker.kill('SIGTERM')
  expect((await worker.ended).code).toBe(0)
})

test('a roll onto modules that are broken keeps what runs', async () => {
  const worker = supervise()
  await worker.says('offstage worker ready', 2)
  const before = readyPids(worker)
  project.write('tasks.ts', "throw new Error('broken by the deploy')")
  worker.kill('SIGHUP')
  await worker.says('the rolling restart ends here')
  expect(worker.stderr).toContain('Error: broken by the deploy')
  expect(before.map(isAlive)).toEqual([true, true])
  const job = await task<number>('record').enqueue(1)
  expect(await job.result({ timeout: '20s' })).toBe(1)
  worker.kill('SIGTERM')
  expect((await worker.ended).code).toBe(0)
})

test('--max-jobs recycles processes, and each job runs once', async () => {
  const worker = supervise('--max-jobs', '30', '-c', '5')
  await worker.says('offstage worker ready', 2)
  const jobs = await task<number>('record').enqueueMany(inputs(200))
  await worker.says('attempts', 2)
  await worker.says('was replaced by pid', 2)
  for (const job of jobs) await job.result({ timeout: '20s' })
  expect([...runs()].sort()).toEqual(jobs.map(({ id }) => id).sort())
  worker.kill('SIGTERM')
  expect((await worker.ended).code).toBe(0)
})

test('--max-memory alone is supervised too, and recycles a process that grows', async () => {
  const worker = project.start(['worker', './tasks.ts', '--max-memory', '400mb'])
  await worker.says('offstage worker ready')
  const job = await task<number>('leak').enqueue(500)
  const [pid] = readyPids(worker)
  expect(await job.result({ timeout: '20s' })).toBe(pid)
  await worker.says('more than the 400.0 MiB of --max-memory')
  await worker.says(`process 1 (pid ${pid}) was replaced by pid`)
  const other = await task<number>('leak').enqueue(1)
  expect(await other.result({ timeout: '20s' })).toBe(readyPids(worker)[1])
  worker.kill('SIGTERM')
  expect((await worker.ended).code).toBe(0)
})

test.each<[string, readonly string[], number, string]>([
  ['an option is wrong', ['./tasks.ts', '-c', '0'], 2, 'concurrency'],
  ['a module is not there', ['./nope.ts'], 4, 'nope.ts'],
  ['a module throws', ['./wrong.ts'], 1, 'wrong from the start'],
])('where %s, it gives up and says it once', async (_, argv, code, text) => {
  project.write('wrong.ts', "throw new TypeError('wrong from the start')")
  const ended = await project.run(['worker', ...argv, '--processes', '3'])
  expect(ended.code).toBe(code)
  expect(ended.stderr.split(text)).toHaveLength(2)
  expect(ended.stderr).toContain('before it was ready; no other is started')
})

test.each([
  ['--processes', '0', "--processes: processes is '0'; it is a whole number from 1 to 1000"],
  ['--max-jobs', 'many', "--max-jobs: max-jobs is 'many'; it is a whole number from 1"],
  ['--max-memory', '512', "--max-memory: max-memory is '512'; a size is bytes or a number with kb, mb or gb"],
  ['--probe', 'here', "--probe: probe is 'here'; write a port"],
  ['--grace', 'soon', "grace is 'soon'"],
])('%s %s: 2', async (option, value, message) => {
  const ended = await project.run(['worker', './tasks.ts', option, value, '--max-jobs', '9'])
  expect(ended.code).toBe(2)
  expect(ended.stderr).toContain(message)
})

test('a process whose loop is blocked is killed a second after its grace', async () => {
  const worker = supervise('--grace', '100ms')
  await worker.says('offstage worker ready', 2)
  await task<undefined>('block').enqueue(undefined)
  await worker.says('blocking')
  worker.kill('SIGTERM')
  await worker.says('did not end within its grace and is killed')
  expect((await worker.ended).code).toBe(0)
})

test('processes whose supervisor was killed end by themselves', async () => {
  const worker = supervise()
  await worker.says('offstage worker ready', 2)
  const pids = readyPids(worker)
  expect(pids.map(isAlive)).toEqual([true, true])
  worker.kill('SIGKILL')
  await expect.poll(() => pids.map(isAlive), { timeout: 20_000 }).toEqual([false, false])
})

test('a process whose supervisor is gone before it is ready ends too, whatever it was at', async () => {
  project.write(
    'tasks.ts',
    `import { existsSync } from 'node:fs'
     console.error('loading in ' + process.pid)
     while (!existsSync('go')) await new Promise((resolve) => setTimeout(resolve, 10))
     ${tasks}`,
  )
  const worker = supervise()
  await worker.says('loading in')
  const pid = Number(/^loading in (\d+)$/m.exec(worker.stderr)?.[1])
  worker.kill('SIGKILL')
  project.write('go', '')
  await expect.poll(() => isAlive(pid), { timeout: 20_000 }).toBe(false)

  // Gone before it could listen: the channel is closed from the start.
  const orphan = await project.run(['worker', './tasks.ts'], { env: { OFFSTAGE_SUPERVISED: '1' } })
  expect(orphan).toMatchObject({ code: 0 })
  expect(orphan.stderr).not.toContain('offstage worker ready')
})

describe('probes', () => {
  test('of one process, on a unix socket: a killed one is followed, one in use is left alone', async () => {
    const probe = ['--probe', 'unix:probe.sock']
    const socket = project.path('probe.sock')
    const first = project.start(['worker', './tasks.ts', ...probe])
    await first.says('offstage worker ready')
    expect(await ask(socket, '/ready')).toMatchObject({
      status: 200,
      body: { ready: true, state: 'running' },
    })
    const second = await project.run(['worker', './tasks.ts', ...probe])
    expect(second.code).toBe(2)
    expect(second.stderr).toContain('probe.sock: another process listens there')
    first.kill('SIGKILL')
    await first.ended
    expect(existsSync(socket)).toBe(true)

    const third = project.start(['worker', './tasks.ts', ...probe])
    await third.says('offstage worker ready')
    await task<{ file: string }>('hold').enqueue({ file: 'go' })
    await third.says('holding')
    expect(await ask(socket, '/')).toMatchObject({ body: { active: 1 } })
    third.kill('SIGTERM')
    await third.says('draining')
    expect(await ask(socket, '/live')).toMatchObject({ status: 200 })
    expect(await ask(socket, '/ready')).toMatchObject({ status: 503, body: { reason: 'it is draining' } })
    project.write('go', '')
    expect((await third.ended).code).toBe(0)
    expect(existsSync(socket)).toBe(false)
  })

  test('a port that is taken: 2', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
    try {
      const { port } = server.address() as { port: number }
      for (const mode of [[], ['--processes', '2']]) {
        const ended = await project.run(['worker', './tasks.ts', ...mode, '--probe', String(port)])
        expect(ended.code).toBe(2)
        expect(ended.stderr).toContain(`127.0.0.1:${port}: another process listens there`)
      }
    } finally {
      await new Promise((resolve) => server.close(resolve))
    }
  })

  let redis: RedisServer | undefined
  afterEach(() => redis?.stop())

  redisTest.each([
    ['one process', []],
    ['a supervisor', ['--processes', '2']],
  ])('of %s: live whatever the broker does, ready only while it answers', async (_, mode) => {
    const [port, probe] = [await freePort(), await freePort()]
    const url = `redis://127.0.0.1:${port}`
    const worker = project.start(['worker', './tasks.ts', '--broker', url, '--probe', String(probe), ...mode])
    await worker.says('trying again in')
    const status = async (path: string) => (await ask(probe, path)).status
    expect([await status('/live'), await status('/ready')]).toEqual([200, 503])

    redis = await startRedis({ port })
    await expect.poll(() => status('/ready'), { timeout: 20_000, interval: 100 }).toBe(200)
    await redis.kill()
    await expect.poll(() => status('/ready'), { timeout: 30_000, interval: 100 }).toBe(503)
    expect((await ask(probe, '/ready')).body.reason).toMatch(/^the broker has not answered for/)
    expect(await status('/live')).toBe(200)
    await redis.restart()
    await expect.poll(() => status('/ready'), { timeout: 20_000, interval: 100 }).toBe(200)
    worker.kill('SIGTERM')
    expect((await worker.ended).code).toBe(0)
  })
})

redisTest('told to end while its broker is away, it exits 0', async () => {
  const url = `redis://127.0.0.1:${await freePort()}`
  for (const mode of [[], ['--processes', '2']]) {
    const worker = project.start(['worker', './tasks.ts', '--broker', url, ...mode])
    await worker.says('trying again in')
    worker.kill('SIGTERM')
    const ended = await worker.ended
    expect(ended).toMatchObject({ code: 0 })
    expect(ended.stderr).not.toContain('error:')
  }
})

test('a process whose loop is blocked for longer than its job may take ends itself and is replaced', async () => {
  const worker = supervise('--lease', '1s')
  await worker.says('offstage worker ready', 2)
  const job = await task('block').enqueue(undefined, { timeout: 500, maxCrashes: 1, retry: { attempts: 5 } })
  await worker.says('the process ends itself, and its jobs run elsewhere')
  await worker.says(`by job '${job.id}' of task 'block'`)
  await worker.says('offstage worker ready', 3)
  // It runs once more as a suspect, and does the same.
  await worker.says('the process ends itself', 2)
  await expect.poll(() => job.state(), { timeout: 30_000 }).toBe('failed')
  expect(await job.record()).toMatchObject({ reason: 'crashes-exhausted', crashes: 1 })
  worker.kill('SIGTERM')
  expect(await worker.ended).toMatchObject({ code: 0 })
})

// What may be wrong with the module of a task, and what is right.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import { type App, type AppWorkerOptions, type JobSnapshot, offstage, silentLogger } from '../../src/index.ts'
import { testApp } from '../../src/testing/index.ts'
import { until } from './until.ts'

const folder = mkdtempSync(join(tmpdir(), 'offstage-modules-'))
const apps: App[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()))
  vi.unstubAllEnvs()
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

type RunIn = 'thread' | 'process'

function make(): App {
  const app = offstage({ broker: 'memory:', logger: silentLogger })
  apps.push(app)
  return app
}

const place = (file: string): URL => new URL(`./${file}`, import.meta.url)

/** The job of a task whose module is `file`, once it has ended or failed `attempts` times. */
async function run(
  name: string,
  file: string,
  runIn: RunIn,
  options: { attempts?: number; worker?: AppWorkerOptions } = {},
): Promise<JobSnapshot> {
  const app = make()
  const retry = { attempts: 5, base: 1, max: 1 }
  const task = app.task({ name, runIn, module: place(file), retry, run: () => 'inline' })
  const one = { max: 1 }
  const worker = app.worker({ pollInterval: '10ms', threads: one, processes: one, ...options.worker })
  await worker.start()
  const job = await task.enqueue(1)
  let snapshot: JobSnapshot | undefined
  await until(`an end of ${name}`, async () => {
    snapshot = await job.record()
    return snapshot?.endedAt !== undefined || (snapshot?.failures ?? 0) >= (options.attempts ?? 1)
  })
  await worker.stop({ grace: 0 })
  if (snapshot === undefined) throw new Error('no job')
  return snapshot
}

describe.each(['thread', 'process'] as const)('in a %s, a module that', (runIn) => {
  test('is not there fails the attempt, and says which', async () => {
    const { error } = await run('absent', 'absent.ts', runIn)
    expect(error).toMatchObject({ code: 'MODULE_FAILED', message: expect.stringContaining('absent.ts') })
    expect(error?.cause?.code).toBe('ERR_MODULE_NOT_FOUND')
  })

  test('throws when it is imported fails the attempt with the cause, again and again', async () => {
    const { error, attempts } = await run('throws', 'throws.ts', runIn, { attempts: 3 })
    expect(error).toMatchObject({ code: 'MODULE_FAILED', cause: { message: 'no import of this' } })
    for (const attempt of attempts) expect(attempt.error?.code).toBe('MODULE_FAILED')
  })

  test('can be imported later serves the retry', async () => {
    const mood = join(folder, `mood-${runIn}`)
    vi.stubEnv('EXECUTORS_MOOD', mood)
    const app = make()
    const task = app.task({
      name: 'moody',
      runIn,
      module: place('moody.ts'),
      retry: { attempts: 100, base: 1, max: 1 },
      run: () => 'inline',
    })
    await app.worker({ pollInterval: '10ms', threads: { max: 1 }, processes: { max: 1 } }).start()
    const job = await task.enqueue(1)
    await until('a failure', async () => ((await job.record())?.failures ?? 0) > 0)
    expect((await job.record())?.error?.cause?.message).toBe('not in the mood')
    writeFileSync(mood, 'good')
    expect(await job.result({ timeout: '20s' })).toBe('well')
  })

  test('does not define the task fails the attempt, and says what it defines', async () => {
    const { error } = await run('unheard-of', 'bundle.ts', runIn)
    expect(error).toMatchObject({ code: 'MODULE_INVALID', message: expect.stringContaining("'bundled'") })
    const none = await run('unheard-of', 'functions.ts', runIn)
    expect(none.error).toMatchObject({
      code: 'MODULE_INVALID',
      message: expect.stringContaining('defines no task'),
    })
  })

  test('starts a worker is imported all the same, and no worker starts', async () => {
    const { result } = await run('bundled', 'bundle.ts', runIn)
    expect(result).toEqual({ input: 1, worker: 'none', active: 0 })
  })

  test('implements a task that was defined elsewhere serves it', async () => {
    const app = make()
    const defined = app.define({ name: 'implemented' })
    app.implement(defined, () => 'inline', { runIn, module: place('bundle.ts').href })
    await app.worker({ pollInterval: '10ms' }).start()
    expect(await (await defined.enqueue(2)).result({ timeout: '20s' })).toEqual({ implemented: 2 })
  })
})

test('under testApp tasks run inline, where the clock and the mocks of the test are', async () => {
  const app = make()
  const task = app.task({ name: 'x', runIn: 'thread', module: place('absent.ts'), run: () => process.pid })
  const t = await testApp(app)
  const job = await task.enqueue(undefined)
  expect(await t.drain()).toMatchObject({ succeeded: 1 })
  expect(await job.result()).toBe(process.pid)
  await t.close()
})

describe('options', () => {
  const app = offstage({ broker: 'memory:' })
  const run = (): number => 1
  const module = import.meta.url

  test.each([
    [() => app.task({ name: 'a', runIn: 'fork' as never, run }), /runIn of task 'a' is 'fork'/],
    [() => app.task({ name: 'a', runIn: 'thread', run }), /module of task 'a' is missing.*import\.meta\.url/],
    [
      () => app.task({ name: 'a', runIn: 'process', module: './a.ts', run }),
      /module of task 'a' is '\.\/a\.ts'.*file:/,
    ],
    [() => app.task({ name: 'a', module: 'data:text/javascript,1', run }), /file:/],
    [() => app.task({ name: 'a', module: 3 as never, run }), /module of task 'a' is 3/],
    [
      () => app.implement(app.define({ name: 'a' }), run, { runIn: 'thread' }),
      /module of task 'a' is missing/,
    ],
    [() => app.define({ name: 'a', runIn: 'thread' } as never), /no option 'runIn'/],
  ])('a wrong one is said: %s', (use, message) => {
    expect(use).toThrow(message)
  })

  test.each([
    [{ threads: { max: 0 } }, /threads\.max is 0/],
    [{ threads: { maximum: 1 } as never }, /no option 'maximum'/],
    [{ processes: { memory: '1kb' } }, /processes\.memory is '1kb'/],
    [{ threads: 4 as never }, /threads: 4 is no object/],
  ])('of a worker: %j', async (options, message) => {
    const own = make()
    own.task({ name: 'b', runIn: 'thread', module, run })
    await expect(own.worker(options).start()).rejects.toThrow(message)
  })
})

// Proves `offstage worker` as a process: it runs jobs, drains at the first signal, and ends at the second.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Project, tasksSource } from './project.ts'

let project: Project

beforeEach(() => {
  project = new Project()
  project.write('tasks.ts', tasksSource)
})
afterEach(() => project.close())

const json = (text: string) => JSON.parse(text) as Record<string, unknown>

test('a job goes from enqueue --wait through a worker to its result', async () => {
  const worker = project.start(['worker', './tasks.ts', '-c', '2'])
  await worker.says('offstage worker ready: 2 tasks (add, hold), broker sqlite')

  const done = await project.run([
    'enqueue',
    'add',
    '{"a":1,"b":2}',
    '--entry',
    'tasks.ts',
    '--wait',
    '--timeout',
    '15s',
  ])
  expect(done).toMatchObject({ code: 0, stdout: '{"sum":3}\n' })

  const failed = await project.run([
    'enqueue',
    'add',
    '{"a":-1,"b":2}',
    '--id',
    'bad',
    '--entry',
    'tasks.ts',
    '--wait',
    '--json',
  ])
  expect(failed.code).toBe(1)
  expect(json(failed.stdout)).toMatchObject({
    id: 'bad',
    state: 'failed',
    error: { name: 'RangeError', message: 'a is negative' },
  })
  await worker.says('RangeError: a is negative')

  const late = await project.run([
    'enqueue',
    'hold',
    JSON.stringify({ file: project.path('go') }),
    '--id',
    'late',
    '--entry',
    'tasks.ts',
    '--wait',
    '--timeout',
    '50ms',
    '--json',
  ])
  expect(late.code).toBe(1)
  expect(json(late.stdout)).toMatchObject({ id: 'late', state: 'unfinished' })

  const status = json((await project.run(['status', '--broker', 'sqlite:jobs.db', '--json'])).stdout)
  expect(status).toMatchObject({
    counts: { succeeded: 1, failed: 1, active: 1 },
    workers: [{ concurrency: 2 }],
  })

  project.write('go', '')
  worker.kill('SIGTERM')
  expect(await worker.ended).toMatchObject({ code: 0, signal: null, stdout: '' })
})

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s drains: the running job ends, and the worker exits 0',
  async (signal) => {
    const worker = project.start(['worker', './tasks.ts'])
    await project.run([
      'enqueue',
      'hold',
      JSON.stringify({ file: project.path('go') }),
      '--id',
      'held',
      '--entry',
      'tasks.ts',
    ])
    await worker.says('holding')
    worker.kill(signal)
    await worker.says(`${signal}: draining; a second signal ends it at once`)
    project.write('go', '')
    const ended = await worker.ended
    expect(ended.code).toBe(0)
    expect(ended.stderr).toContain('offstage worker stopped')
    const job = json((await project.run(['jobs', 'show', 'held', '--entry', 'tasks.ts', '--json'])).stdout)
    expect(job).toMatchObject({ state: 'succeeded', result: 'let go', failures: 0 })
  },
)

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('a second %s ends it at once with %i', async (signal, code) => {
  const worker = project.start(['worker', './tasks.ts', '--lease', '200ms'])
  await project.run(['enqueue', 'hold', '{"file":"never"}', '--id', 'held', '--entry', 'tasks.ts'])
  await worker.says('holding')
  worker.kill(signal)
  await worker.says('draining')
  worker.kill(signal)
  expect(await worker.ended).toMatchObject({ code, signal: null })
  const job = json((await project.run(['jobs', 'show', 'held', '--entry', 'tasks.ts', '--json'])).stdout)
  expect(['active', 'ready']).toContain(job.state)
})

test('at the end of the grace what still runs is given back without a failure', async () => {
  const worker = project.start(['worker', './tasks.ts', '--grace', '50ms'])
  await project.run(['enqueue', 'hold', '{"file":"never"}', '--id', 'held', '--entry', 'tasks.ts'])
  await worker.says('holding')
  worker.kill('SIGTERM')
  expect((await worker.ended).code).toBe(0)
  const job = json((await project.run(['jobs', 'show', 'held', '--entry', 'tasks.ts', '--json'])).stdout)
  expect(job.failures).toBe(0)
  expect(['ready', 'succeeded']).toContain(job.state)
})

test('a module of tasks alone is enough: their app is found, and only what is exported runs', async () => {
  project.write(
    'app.ts',
    "import { offstage } from 'offstage'\nexport const app = offstage({ broker: 'sqlite:jobs.db' })",
  )
  project.write(
    'mail/index.ts',
    `import { app } from '../app.ts'
     export const send = app.task({ name: 'send', run: (to: string) => 'sent to ' + to })
     app.task({ name: 'hidden', run: () => 1 })`,
  )
  project.write('offstage.config.ts', "export default { entry: './mail/index.ts' as string }")
  const worker = project.start(['worker', '--verbose'])
  await worker.says('1 task (send), broker sqlite')
  const sent = await project.run(['enqueue', 'send', '"ada"', '--wait', '--timeout', '15s'])
  expect(sent).toMatchObject({ code: 0, stdout: '"sent to ada"\n' })
  await worker.says('succeeded after')
  worker.kill('SIGTERM')
  expect((await worker.ended).code).toBe(0)
})

test.each<[string, string, number, readonly string[]]>([
  [
    'throws while it is loaded',
    "throw new TypeError('wrong from the start')",
    1,
    ['TypeError: wrong from the start', 'wrong.ts:1'],
  ],
  ['imports what is not there', "import './nope.ts'", 1, ['nope.ts']],
  ['is no TypeScript', 'const a: = 1', 1, ['wrong.ts']],
  ['exports neither app nor task', 'export const a = 1', 1, ['exports only a', 'MODULE_INVALID']],
])('a module that %s', async (_, source, code, texts) => {
  project.write('wrong.ts', source)
  const ended = await project.run(['worker', './wrong.ts'])
  expect(ended.code).toBe(code)
  for (const text of texts) expect(ended.stderr).toContain(text)
  expect(ended.stderr).not.toContain('dist/cli')
  expect(ended.stderr).not.toContain('node:internal')
})

test('a stdout that is gone does not stop a worker', async () => {
  project.write(
    'loud.ts',
    `import { offstage } from 'offstage'
     export const app = offstage({ broker: 'sqlite:jobs.db' })
     export const loud = app.task({ name: 'loud', run: () => { console.log('x'); return 1 } })`,
  )
  const worker = project.start(['worker', './loud.ts'])
  await worker.says('ready')
  worker.child.stdout?.destroy()
  for (const _ of [1, 2]) {
    const done = await project.run(['enqueue', 'loud', '--entry', 'loud.ts', '--wait', '--timeout', '15s'])
    expect(done).toMatchObject({ code: 0, stdout: '1\n' })
  }
  worker.kill('SIGTERM')
  expect((await worker.ended).code).toBe(0)
})

test('a concurrency that the worker finds by itself', async () => {
  const worker = project.start(['worker', './tasks.ts', '-c', 'auto'])
  await worker.says('offstage worker ready')
  const args = ['enqueue', 'add', '{"a":1,"b":2}', '--entry', 'tasks.ts', '--wait', '--timeout', '15s']
  expect((await project.run(args)).code).toBe(0)
  const status = json((await project.run(['status', '--broker', 'sqlite:jobs.db', '--json'])).stdout)
  expect(status).toMatchObject({ workers: [{ concurrency: 10 }] })
  worker.kill('SIGTERM')
  expect((await worker.ended).code).toBe(0)
})

test('a module that is not there: 4; a bad option: 2', async () => {
  expect((await project.run(['worker', './nope.ts'])).code).toBe(4)
  const bad = await project.run(['worker', './tasks.ts', '-c', '0'])
  expect(bad.code).toBe(2)
  expect(bad.stderr).toContain('concurrency')
  expect((await project.run(['worker', './tasks.ts', '--lease', 'soon'])).code).toBe(2)
  expect((await project.run(['worker', './tasks.ts', '-Q', 'a b'])).code).toBe(2)
})

test('--broker wins over the one in code', async () => {
  const worker = project.start(['worker', './tasks.ts', '--broker', 'sqlite:other.db'])
  await worker.says('ready')
  const done = await project.run([
    'enqueue',
    'add',
    '{"a":1,"b":1}',
    '--broker',
    'sqlite:other.db',
    '--wait',
    '--timeout',
    '15s',
    '--quiet',
  ])
  expect(done).toMatchObject({ code: 0, stdout: '{"sum":2}\n', stderr: '' })
  worker.kill('SIGTERM')
  expect((await worker.ended).code).toBe(0)
})

const strips =
  Reflect.get(process.features, 'typescript') !== undefined &&
  Reflect.get(process.features, 'typescript') !== false

test.skipIf(strips)('without tsx, a Node that cannot strip types says what to install', async () => {
  const bare = new Project({ tsx: false })
  try {
    bare.write('tasks.ts', tasksSource)
    const ended = await bare.run(['worker', './tasks.ts'])
    expect(ended.code).toBe(1)
    expect(ended.stderr).toContain('TYPESCRIPT_LOADER_MISSING')
    expect(ended.stderr).toContain('npm install --save-dev tsx')
    const doctor = await bare.run(['doctor', '--entry', 'tasks.ts', '--json'])
    expect(doctor.code).toBe(1)
  } finally {
    await bare.close()
  }
})

test.runIf(strips)('without tsx, a Node that strips types runs TypeScript', async () => {
  const bare = new Project({ tsx: false })
  try {
    bare.write('tasks.ts', tasksSource)
    const worker = bare.start(['worker', './tasks.ts'])
    await worker.says('ready')
    worker.kill('SIGTERM')
    expect((await worker.ended).code).toBe(0)
  } finally {
    await bare.close()
  }
})

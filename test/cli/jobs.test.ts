// Proves the commands as processes on one SQLite file: the flow of jobs, where the broker comes from, what a store that
// cannot be used does, and a reader that goes away.
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, statSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { main, Project } from './project.ts'

let project: Project

beforeEach(() => {
  project = new Project()
})
afterEach(() => project.close())

const json = (text: string) => JSON.parse(text) as Record<string, unknown>
const BROKER = ['--broker', 'sqlite:jobs.db']

test('enqueue without an entry, then ls, cancel, retry and rm', async () => {
  const first = await project.run([
    'enqueue',
    'mail',
    '{"to":"ada"}',
    '--id',
    'm1',
    '--delay',
    '1h',
    ...BROKER,
  ])
  expect(first).toMatchObject({ code: 0, stdout: 'm1\n' })
  expect(first.stderr).toContain('no entry is named')
  await project.run(['enqueue', 'mail', '-', '--id', 'm2', '--queue', 'slow', ...BROKER], { stdin: '[1,2]' })

  const list = json((await project.run(['jobs', 'ls', '--oldest', '--json', ...BROKER])).stdout)
  expect(list).toEqual({
    jobs: [
      expect.objectContaining({ id: 'm1', task: 'mail', queue: 'default', state: 'scheduled', priority: 5 }),
      expect.objectContaining({ id: 'm2', task: 'mail', queue: 'slow', state: 'ready' }),
    ],
  })
  expect((await project.run(['jobs', 'cancel', '--task', 'mail', '--yes', ...BROKER])).stdout).toBe(
    '2 jobs cancelled\n',
  )
  expect((await project.run(['jobs', 'retry', 'm2', ...BROKER])).stdout).toBe('m2 retried\n')
  expect((await project.run(['jobs', 'rm', '--state', 'cancelled', '--yes', ...BROKER])).stdout).toBe(
    '1 job deleted\n',
  )
  const shown = json((await project.run(['jobs', 'show', 'm2', '--json', ...BROKER])).stdout)
  expect(shown).toMatchObject({ id: 'm2', state: 'ready', input: [1, 2] })
  expect((await project.run(['jobs', 'show', 'm1', ...BROKER])).code).toBe(4)
  expect(statSync(project.path('jobs.db')).mode & 0o077).toBe(0)
})

test('the broker: option, then environment, then config file', async () => {
  project.write('offstage.config.ts', "export default { broker: 'sqlite:config.db' as const }")
  const env = { OFFSTAGE_BROKER: 'sqlite:environment.db' }
  const enqueue = ['enqueue', 'x', '--quiet']
  await project.run(enqueue)
  expect(['config', 'environment', 'option'].map((name) => existsSync(project.path(`${name}.db`)))).toEqual([
    true,
    false,
    false,
  ])
  await project.run(enqueue, { env })
  expect(['environment', 'option'].map((name) => existsSync(project.path(`${name}.db`)))).toEqual([
    true,
    false,
  ])
  await project.run([...enqueue, '--broker', 'sqlite:option.db'], { env })
  expect(existsSync(project.path('option.db'))).toBe(true)
  const { counts } = json((await project.run(['status', '--json'])).stdout)
  expect(counts).toMatchObject({ ready: 1 })
})

test('a relative file is the same from every folder of the project', async () => {
  mkdirSync(project.path('deep/er'), { recursive: true })
  const options = { cwd: 'deep/er' }
  await project.run(['enqueue', 'x', '--id', 'one', ...BROKER], options)
  expect(existsSync(project.path('jobs.db'))).toBe(true)
  expect((await project.run(['jobs', 'show', 'one', '--json', ...BROKER])).code).toBe(0)
  expect((await project.run(['jobs', 'show', 'one', '--json', ...BROKER], options)).code).toBe(0)
  const doctor = await project.run(['doctor', ...BROKER], options)
  expect(doctor.stdout).toContain(project.path('jobs.db'))
})

test('the broker of the config file reaches an app that names none', async () => {
  project.write(
    'tasks.js',
    "import { offstage } from 'offstage'\nexport const app = offstage()\nexport const x = app.task({ name: 'x', run: () => 1 })",
  )
  project.write(
    'package.json',
    '{"type":"module","offstage":{"broker":"sqlite:config.db","entry":"tasks.js"}}',
  )
  const worker = project.start(['worker'])
  await worker.says('ready')
  expect(await project.run(['enqueue', 'x', '--wait', '--timeout', '15s', '--quiet'])).toMatchObject({
    code: 0,
    stdout: '1\n',
  })
  worker.kill('SIGTERM')
  expect((await worker.ended).code).toBe(0)
  expect(existsSync(project.path('config.db'))).toBe(true)
  expect(existsSync(project.path('offstage.db'))).toBe(false)
})

describe('a store that cannot be used', () => {
  test('is not made by asking', async () => {
    for (const argv of [['jobs', 'ls'], ['status'], ['queues', 'ls'], ['jobs', 'rm', 'x']]) {
      const ended = await project.run(argv)
      expect(ended).toMatchObject({ code: 3, stdout: '' })
      expect(ended.stderr).toContain('there is no store')
    }
    const doctor = await project.run(['doctor'])
    expect(doctor.code).toBe(0)
    expect(doctor.stdout).toContain('will be made at the first use')
    expect(existsSync(project.path('offstage.db'))).toBe(false)
  })

  test('under NODE_ENV=production a broker has to be named', async () => {
    const env = { NODE_ENV: 'production' }
    expect((await project.run(['jobs', 'ls'], { env })).code).toBe(2)
    const doctor = await project.run(['doctor', '--json'], { env })
    expect(doctor.code).toBe(1)
    expect(doctor.stdout).toContain('BROKER_REQUIRED')
  })

  test('a file that is no database: 3, a failed check, and the file as it was', async () => {
    project.write('jobs.db', 'just some text, and long enough to be looked at as a database '.repeat(100))
    const before = statSync(project.path('jobs.db')).mtimeMs
    const listed = await project.run(['jobs', 'ls', '--json', ...BROKER])
    expect(listed).toMatchObject({ code: 3, stdout: '' })
    expect(json(listed.stderr)).toMatchObject({ error: { code: 'STORE_NOT_A_DATABASE' } })
    const doctor = await project.run(['doctor', '--json', ...BROKER])
    expect(doctor.code).toBe(1)
    expect(json(doctor.stdout)).toMatchObject({ ok: false })
    expect(doctor.stdout).toContain('STORE_NOT_A_DATABASE')
    expect(statSync(project.path('jobs.db')).mtimeMs).toBe(before)
  })

  test.skipIf(process.platform === 'win32' || !asOther().possible)(
    'a folder that cannot be written: 3, and a failed check',
    async () => {
      mkdirSync(project.path('locked'))
      chmodSync(project.path('locked'), 0o555)
      chmodSync(project.folder, 0o755)
      const { uid } = asOther()
      const broker = ['--broker', 'sqlite:locked/jobs.db']
      const enqueued = await project.run(['enqueue', 'x', ...broker], { uid })
      expect(enqueued.code).toBe(3)
      expect(enqueued.stderr).toContain('STORE_READONLY')
      const doctor = await project.run(['doctor', '--json', ...broker], { uid })
      expect(doctor.code).toBe(1)
      expect(
        (json(doctor.stdout).checks as { name: string; status: string }[]).filter(
          ({ status }) => status === 'fail',
        ),
      ).toMatchObject([{ name: 'writable' }])
    },
  )
})

test('a reader that goes away is no failure', async () => {
  project.write(
    'many.mjs',
    `import { offstage } from 'offstage'
     const app = offstage({ broker: 'sqlite:jobs.db' })
     await app.define({ name: 'x' }).enqueueMany(Array.from({ length: 3000 }, (_, i) => 'x'.repeat(50) + i))
     await app.close()`,
  )
  expect(spawnSync(process.execPath, ['many.mjs'], { cwd: project.folder }).status).toBe(0)
  const running = project.start(['jobs', 'ls', '--limit', '3000', '--json', ...BROKER])
  running.child.stdout?.destroy()
  const ended = await running.ended
  expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' })
})

/** The mode of a folder means nothing to root, so there the command runs as nobody, where nobody can read it. */
function asOther(): { readonly possible: boolean; readonly uid?: number } {
  if (process.getuid?.() !== 0) return { possible: true }
  const uid = 65_534
  const tried = spawnSync(process.execPath, [main, '--version'], { uid, cwd: '/' })
  return { possible: tried.status === 0, uid }
}

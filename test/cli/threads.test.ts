// `offstage worker` with tasks in threads and processes, in TypeScript, in projects of both kinds of modules.
import { existsSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { Project } from './project.ts'

let project: Project
afterEach(() => project.close())

const source = (module: string): string => `
import { threadId } from 'node:worker_threads'
import { offstage } from 'offstage'

enum Kind { Thread = 'thread', Process = 'process' }

export const app = offstage({ broker: 'sqlite:jobs.db' })
const define = (runIn: Kind) => app.task({
  name: runIn,
  runIn,
  module: ${module},
  run: (input: { n: number }) => ({ n: input.n + 1, thread: threadId !== 0, pid: process.pid }),
})
export const inThread = define(Kind.Thread)
export const inProcess = define(Kind.Process)
`

test.each([
  ['module', 'import.meta.url'],
  ['commonjs', "require('node:url').pathToFileURL(__filename)"],
])('in a package of type %s', async (type, module) => {
  project = new Project()
  project.write('package.json', JSON.stringify({ name: 'project', type, private: true }))
  project.write('tasks.ts', source(module))
  const worker = project.start(['worker', './tasks.ts'])
  await worker.says('offstage worker ready')
  for (const [task, thread] of [
    ['thread', true],
    ['process', false],
  ] as const) {
    const args = ['enqueue', task, '{"n":1}', '--entry', './tasks.ts', '--wait', '--timeout', '15s']
    const { code, stdout, stderr } = await project.run(args)
    expect(code, stderr + worker.stderr).toBe(0)
    const result = JSON.parse(stdout) as { n: number; thread: boolean; pid: number }
    expect(result).toMatchObject({ n: 2, thread })
    expect(result.pid === worker.child.pid).toBe(thread)
  }
  worker.kill('SIGTERM')
  expect(await worker.ended).toMatchObject({ code: 0 })
})

test.each(['thread', 'process'])(
  'with the broker that --broker names, also for what a %s enqueues',
  async (runIn) => {
    project = new Project()
    project.write(
      'tasks.ts',
      `
import { threadId } from 'node:worker_threads'
import { offstage } from 'offstage'

export const app = offstage({ broker: 'sqlite:wrong.db' })
export const second = app.task({ name: 'second', run: () => 'done' })
export const first = app.task({
  name: 'first',
  runIn: '${runIn}',
  module: import.meta.url,
  async run() {
    await second.enqueue(undefined, { id: 'second' })
    return { thread: threadId !== 0, pid: process.pid }
  },
})
`,
    )
    const worker = project.start([
      'worker',
      './tasks.ts',
      '--broker',
      'sqlite:right.db',
      '--namespace',
      'shop',
    ])
    await worker.says('offstage worker ready')
    const broker = ['--broker', 'sqlite:right.db', '--namespace', 'shop']
    const args = ['enqueue', 'first', '--entry', './tasks.ts', '--wait', '--timeout', '20s', ...broker]
    const { code, stdout, stderr } = await project.run(args)
    expect(code, stderr + worker.stderr).toBe(0)
    const { thread, pid } = JSON.parse(stdout) as { thread: boolean; pid: number }
    expect([thread, pid !== worker.child.pid]).toEqual([runIn === 'thread', runIn === 'process'])
    await expect
      .poll(async () => (await project.run(['jobs', 'show', 'second', '--json', ...broker])).stdout, {
        timeout: 20_000,
      })
      .toContain('"succeeded"')
    expect(existsSync(project.path('wrong.db'))).toBe(false)
    worker.kill('SIGTERM')
    expect(await worker.ended).toMatchObject({ code: 0 })
  },
)

// Proves `offstage dev` as a process: it runs a worker, restarts it after a change, and leaves none behind.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Project } from './project.ts'

let project: Project

beforeEach(() => {
  project = new Project()
  project.write('src/tasks.ts', source('first'))
})
afterEach(() => project.close())

function source(answer: string): string {
  return `import { offstage } from 'offstage'
    export const app = offstage({ broker: 'sqlite:jobs.db' })
    export const answer = app.task({ name: 'answer', run: (): string => '${answer}' })`
}

function ask() {
  return project.run([
    'enqueue',
    'answer',
    '--broker',
    'sqlite:jobs.db',
    '--wait',
    '--timeout',
    '15s',
    '--quiet',
  ])
}

/** The id of the newest worker's process, from its ready line: `worker host:pid:random`. */
function workerPid(output: string): number {
  const pids = [...output.matchAll(/, worker \S+:(\d+):[0-9a-f]+/g)].map(([, pid]) => Number(pid))
  return pids.at(-1) ?? Number.NaN
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

test('a change restarts the worker with the new code; SIGTERM drains and exits 0', async () => {
  const dev = project.start(['dev', './src/tasks.ts'])
  await dev.says('offstage worker ready')
  expect(await ask()).toMatchObject({ code: 0, stdout: '"first"\n' })

  project.write('src/tasks.ts', source('second'))
  await dev.says('tasks.ts changed, restarting')
  await dev.says('offstage worker ready', 2)
  expect(await ask()).toMatchObject({ code: 0, stdout: '"second"\n' })

  const pid = workerPid(dev.stderr)
  dev.kill('SIGTERM')
  expect((await dev.ended).code).toBe(0)
  expect(dev.stderr).toContain('offstage worker stopped')
  expect(isAlive(pid)).toBe(false)
})

test('a broken module waits for the next change', async () => {
  project.write('src/tasks.ts', "throw new Error('not yet')")
  const dev = project.start(['dev', './src/tasks.ts'])
  await dev.says('Error: not yet')
  await dev.says('waiting for a change')
  project.write('src/tasks.ts', source('mended'))
  await dev.says('offstage worker ready')
  dev.kill('SIGINT')
  expect((await dev.ended).code).toBe(0)
})

test('a second signal ends it at once; the worker goes too', async () => {
  project.write(
    'src/tasks.ts',
    `import { offstage } from 'offstage'
     export const app = offstage({ broker: 'sqlite:jobs.db' })
     export const stay = app.task({ name: 'stay', run: () => { console.error('staying'); return new Promise(() => {}) } })`,
  )
  const dev = project.start(['dev', './src/tasks.ts', '--grace', '1h'])
  await dev.says('offstage worker ready')
  await project.run(['enqueue', 'stay', '--broker', 'sqlite:jobs.db'])
  await dev.says('staying')
  const pid = workerPid(dev.stderr)
  dev.kill('SIGINT')
  await dev.says('draining')
  dev.kill('SIGINT')
  expect((await dev.ended).code).toBe(130)
  await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false)
})

test('a worker whose supervisor was killed drains by itself', async () => {
  const dev = project.start(['dev', './src/tasks.ts'])
  await dev.says('offstage worker ready')
  const pid = workerPid(dev.stderr)
  expect(isAlive(pid)).toBe(true)
  dev.kill('SIGKILL')
  await expect.poll(() => isAlive(pid), { timeout: 10_000 }).toBe(false)
})

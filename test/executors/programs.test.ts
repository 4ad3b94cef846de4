// Whole programs on the built package, each a process that has to end by itself: plain JavaScript, TypeScript with tsx
// beside it, and TypeScript without.
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { stripsTypes } from '../../src/runtime/typescript.ts'
import { isAlive, until } from './until.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
let folder: string

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'offstage-programs-')))
  write('package.json', '{"name":"program","type":"module"}')
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(root, join(folder, 'node_modules/offstage'), 'dir')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function write(name: string, text: string): void {
  writeFileSync(join(folder, name), text)
}

function addTsx(): void {
  symlinkSync(join(root, 'node_modules/tsx'), join(folder, 'node_modules/tsx'), 'dir')
}

interface Ended {
  readonly code: number | null
  readonly answer: unknown
  readonly stderr: string
}

/** Runs it to its end. What it prints last is JSON. */
function run(...args: string[]): Promise<Ended> {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(OFFSTAGE_|VITEST|NODE_ENV$|NODE_OPTIONS$)/.test(name)),
  )
  const child = spawn(process.execPath, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`it did not end by itself; it said:\n${stdout}\n${stderr}`))
    }, 25_000)
    child.on('close', (code) => {
      clearTimeout(limit)
      const last = stdout.trim().split('\n').at(-1)
      resolve({ code, answer: last ? JSON.parse(last) : undefined, stderr })
    })
  })
}

/** Tasks that enqueue others from where they run. With types, where it is to be TypeScript. */
const tasks = (types: boolean): string => `
import { writeFileSync } from 'node:fs'
import { threadId } from 'node:worker_threads'
import { offstage } from 'offstage'
${types ? 'enum Unit { One = 1 }\ninterface Order { n: number }' : 'const Unit = { One: 1 }'}
export const app = offstage({ broker: 'sqlite:jobs.db' })
export const follow = app.task({ name: 'follow', run: (n) => ({ n, pid: process.pid }) })
const define = (runIn) => app.task({
  name: runIn,
  runIn,
  module: import.meta.url,
  async run(order${types ? ': Order' : ''}, ctx) {
    ctx.progress('under way')
    const job = await follow.enqueue(order.n + Unit.One)
    return { follow: job.id, main: threadId === 0, pid: process.pid }
  },
})
export const thread = define('thread')
export const child = define('process')
export const slow = app.task({
  name: 'slow', runIn: 'process', module: import.meta.url,
  run(order${types ? ': { spin: boolean; file: string }' : ''}) {
    writeFileSync(order.file, String(process.pid))
    if (order.spin) for (;;);
    return new Promise(() => undefined)
  },
})
`

const main = (ending: string, from: string): string => `
import { app, child, follow, thread } from './${from}'
const worker = app.worker({ threads: { max: 2 }, processes: { max: 2 } })
await worker.start()
const results = []
for (const task of [thread, child]) {
  const job = await task.enqueue({ n: 1 })
  const { follow: id, main, pid } = await job.result({ timeout: '20s' })
  const next = await follow.job(id).result({ timeout: '20s' })
  results.push({ main, same: pid === process.pid, progress: (await job.record()).progress, ...next, pid: next.pid === process.pid })
}
console.log(JSON.stringify(results))
${ending}
`

const expected = [
  { main: false, same: true, progress: 'under way', n: 2, pid: true },
  { main: true, same: false, progress: 'under way', n: 2, pid: true },
]

describe('a program in JavaScript', () => {
  test.each([
    ['stops its worker', 'await worker.stop()'],
    ['closes its app', 'await app.close()'],
  ])('runs tasks in threads and processes, which enqueue others, %s, and ends', async (_, ending) => {
    write('tasks.js', tasks(false))
    write('main.js', main(ending, 'tasks.js'))
    const { code, answer, stderr } = await run('main.js')
    expect({ code, answer }, stderr).toEqual({ code: 0, answer: expected })
    expect(stderr).toBe('')
  })

  test('offloads and ends, although it closes nothing', async () => {
    write('sums.js', 'export const sum = (...all) => all.reduce((a, b) => a + b)')
    write(
      'main.js',
      `import { offstage } from 'offstage'
       const sums = offstage({ broker: 'memory:' }).offload(new URL('./sums.js', import.meta.url))
       console.log(JSON.stringify(await Promise.all([sums.sum(1, 2), sums.sum(3, 4)])))`,
    )
    expect(await run('main.js')).toMatchObject({ code: 0, answer: [3, 7], stderr: '' })
  })

  test('that dies takes its processes with it, also those that compute', async () => {
    write('tasks.js', tasks(false))
    write(
      'main.js',
      `import { app, child, slow } from './tasks.js'
       import { existsSync, readFileSync } from 'node:fs'
       const worker = app.worker({ processes: { max: 2 } })
       await worker.start()
       await slow.enqueue({ spin: true, file: 'one' })
       await slow.enqueue({ spin: false, file: 'two' })
       const read = (file) => existsSync(file) ? readFileSync(file, 'utf8') : ''
       while (read('one') === '' || read('two') === '') await new Promise((resolve) => setTimeout(resolve, 20))
       console.log(JSON.stringify([Number(read('one')), Number(read('two'))]))
       process.kill(process.pid, 'SIGKILL')`,
    )
    const { answer } = await run('main.js')
    const pids = answer as number[]
    expect(pids).toHaveLength(2)
    await until('both are gone', () => pids.every((pid) => !isAlive(pid)))
  })
})

describe('a program in TypeScript', () => {
  test('with tsx beside it runs in threads and processes', async () => {
    addTsx()
    write(
      'tasks.ts',
      tasks(true)
        .replaceAll('(runIn)', "(runIn: 'thread' | 'process')")

        .replace('run: (n)', 'run: (n: number)'),
    )
    write('main.ts', main('await app.close()', 'tasks.ts'))
    const { code, answer, stderr } = await run('--import', 'tsx', 'main.ts')
    expect({ code, answer }, stderr).toEqual({ code: 0, answer: expected })
  })

  test('whose program is JavaScript loads it by itself', async () => {
    addTsx()
    write(
      'sums.ts',
      'enum Start { At = 1 }\nexport const sum = (...all: number[]): number => all.reduce((a, b) => a + b, Start.At)',
    )
    write(
      'main.js',
      `import { offstage } from 'offstage'
       const app = offstage({ broker: 'memory:' })
       const sums = app.offload(new URL('./sums.ts', import.meta.url))
       console.log(JSON.stringify(await sums.sum(1, 2)))
       await app.close()`,
    )
    expect(await run('main.js')).toMatchObject({ code: 0, answer: 4 })
  })

  test('without a loader says what to install', async ({ skip }) => {
    if (stripsTypes()) skip('this Node takes the types away by itself')
    write('sums.ts', 'export const sum = (a: number) => a')
    write(
      'main.js',
      `import { offstage } from 'offstage'
       const app = offstage({ broker: 'memory:' })
       const sums = app.offload(new URL('./sums.ts', import.meta.url))
       const { code, message } = await sums.sum(1).catch((error) => error)
       console.log(JSON.stringify({ code, message }))
       await app.close()`,
    )
    expect((await run('main.js')).answer).toMatchObject({
      code: 'TYPESCRIPT_LOADER_MISSING',
      message: expect.stringContaining('npm install --save-dev tsx'),
    })
  })
})

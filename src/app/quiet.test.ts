// What must not happen: importing, making an app, defining tasks, or an idle producer keep nothing open. Each case is a
// process of its own that has to end by itself.
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { importsOf } from '../../test/support/sources.ts'

const run = promisify(execFile)
const index = new URL('../index.ts', import.meta.url).href

/** The last line that the program prints, as JSON, once it has ended. */
async function program(source: string): Promise<unknown> {
  const code = `import { offstage } from ${JSON.stringify(index)}\n${source}`
  const args = ['--import', 'tsx', '--input-type=module', '-e', code]
  const { stdout } = await run(process.execPath, args, { timeout: 20_000, cwd: import.meta.dirname })
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
}

// What is open when nothing was done: the pipes of the standard streams, and the loader's.
const opened = `const opened = () => process.getActiveResourcesInfo().filter((name) => !/Pipe|ConnectWrap|TTY|MessagePort|FSReq/.test(name))`

describe('a process that only', () => {
  test('imports, makes an app and defines tasks opens nothing', async () => {
    const answer = await program(`
      ${opened}
      const app = offstage({ broker: 'sqlite:/nowhere/at/all/offstage.db' })
      app.task({ name: 'a', run: () => 1 })
      app.define({ name: 'b' })
      const handle = app.job('x')
      const worker = app.worker()
      const threads = await import('node:worker_threads')
      console.log(JSON.stringify({ opened: opened(), id: handle.id, main: threads.isMainThread }))
    `)
    expect(answer).toEqual({ opened: [], id: 'x', main: true })
  })

  test.each(['memory:', 'sqlite::memory:'])(
    'enqueued on %s ends although its app was not closed',
    async (url) => {
      const answer = await program(`
      const app = offstage({ broker: ${JSON.stringify(url)} })
      const task = app.task({ name: 'a', run: () => 1 })
      const job = await task.enqueue(1, { id: 'own' })
      console.log(JSON.stringify(job.id))
    `)
      expect(answer).toBe('own')
    },
  )

  test.each(['memory:', 'sqlite::memory:'])(
    'waits for a result on %s stays until it is there',
    async (url) => {
      const answer = await program(`
      const app = offstage({ broker: ${JSON.stringify(url)} })
      const task = app.task({ name: 'a', run: () => 1 })
      const job = await task.enqueue(1)
      // Nothing else holds this process: the timeout comes although no worker runs.
      const error = await job.result({ timeout: 100 }).catch((error) => error)
      console.log(JSON.stringify(error.code))
    `)
      expect(answer).toBe('RESULT_TIMEOUT')
    },
  )
})

test('importing the package loads no worker, no broker, and one small dependency', () => {
  const src = fileURLToPath(new URL('..', import.meta.url))
  const files = new Set<string>()
  const packages = new Set<string>()
  const walk = (path: string): void => {
    if (files.has(path)) return
    files.add(path)
    for (const { specifier, typeOnly, dynamic } of importsOf(readFileSync(join(src, path), 'utf8'))) {
      if (typeOnly || dynamic) continue
      if (specifier.startsWith('.')) walk(posix.join(posix.dirname(path), specifier))
      else packages.add(specifier)
    }
  }
  walk('index.ts')
  expect(files.size).toBeGreaterThan(20)
  expect([...files].filter((path) => /^(worker|brokers|observe|http|cli|testing|laws)\//.test(path))).toEqual(
    [],
  )
  expect([...packages].filter((name) => !name.startsWith('node:'))).toEqual(['uuidv7'])
})

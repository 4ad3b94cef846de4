// A process is killed in the middle of a transaction on SQLite, and right after its commit: all of it, or nothing; and
// what a handler wrote is there once.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import BetterSqlite3 from 'better-sqlite3'
import { type App, offstage } from 'offstage'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { defineTasks } from './crash-tasks.ts'

let folder: string
let app: App
let db: BetterSqlite3.Database

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'offstage-crash-'))
  app = offstage({ broker: `sqlite:${join(folder, 'jobs.db')}` })
  await app.queues.list()
  db = new BetterSqlite3(join(folder, 'jobs.db'))
  db.exec('CREATE TABLE app_rows (text TEXT)')
})
afterEach(async () => {
  db.close()
  await app.close()
  rmSync(folder, { recursive: true })
})

/** Runs the child until it has come to a point, and kills it there. */
async function killAt(what: 'enqueue' | 'complete', point: 'open' | 'committed'): Promise<void> {
  const module = fileURLToPath(new URL('./crash-child.ts', import.meta.url))
  const child: ChildProcess = fork(module, [join(folder, 'jobs.db'), what, point], {
    execArgv: ['--import', 'tsx'],
  })
  await once(child, 'message')
  child.kill('SIGKILL')
  await once(child, 'exit')
}

const rows = (): unknown[] => db.prepare('SELECT text FROM app_rows').pluck().all()

test('killed before the commit: neither the row nor the job', async () => {
  await killAt('enqueue', 'open')
  expect(await app.job('order').record()).toBeUndefined()
  expect(rows()).toEqual([])
})

test('killed after the commit: both', async () => {
  await killAt('enqueue', 'committed')
  expect(await app.job('order').state()).toBe('ready')
  expect(rows()).toEqual(['order'])
})

test.each(['open', 'committed'] as const)(
  'a handler that is killed with its transaction %s',
  async (point) => {
    await killAt('complete', point)
    expect(await app.job('book').state()).toBe(point === 'open' ? 'active' : 'succeeded')
    const { book } = defineTasks(app, db)
    const worker = app.worker({ tasks: [book] })
    await worker.start()
    expect(await book.job('book').result({ timeout: '20s' })).toBe('book')
    expect(rows()).toEqual(['book'])
    await worker.stop()
  },
)

// The fault tests on one SQLite file, and what is SQLite's own: several processes that write and checkpoint it.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { pickEngine } from '../../src/brokers/sqlite/engine.ts'
import { cases } from './cases.ts'
import { fullDiskCases, sqliteCases } from './cases-sqlite.ts'
import { check } from './checker.ts'
import { Fleet } from './fleet.ts'
import { all, faultTests, report } from './suite.ts'

const engine = await pickEngine()
const url = (folder: string): string => `sqlite:${join(folder, 'jobs.db')}`

function sound(broker: string): void {
  const db = engine.open(broker.slice('sqlite:'.length))
  try {
    expect(db.prepare('PRAGMA integrity_check').all()).toEqual([['ok']])
    expect(db.prepare('PRAGMA foreign_key_check').all()).toEqual([])
  } finally {
    db.close()
  }
}

faultTests('SQLite', { url, sound }, [...cases, ...sqliteCases])

if (all) {
  const disk = mkdtempSync(join(tmpdir(), 'offstage-disk-'))
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', disk]).status === 0
  afterAll(() => {
    if (mounted) spawnSync('umount', [disk])
    rmSync(disk, { recursive: true, force: true })
  })
  const missing = mounted ? undefined : 'a small disk can be made only by root'
  faultTests('SQLite on a small disk', { url: () => url(disk), sound, missing }, fullDiskCases)
}

test('F27: four processes write, a fifth checkpoints and locks, two are killed: nobody hears of it', async () => {
  const fleet = new Fleet(url)
  onTestFinished(() => fleet.dispose())
  const startedAt = performance.now()
  const file = fleet.broker.slice('sqlite:'.length)
  await Promise.all([1, 2].map(() => fleet.worker({ concurrency: 20, lease: 3_000 })))
  const producers = await Promise.all(
    [1, 2].map((n) => fleet.producer({ seed: n, prefix: `p${n}`, count: 1_500, inFlight: 8 })),
  )
  const db = engine.open(file)
  db.exec('PRAGMA busy_timeout = 0')
  let busy = 0
  const storm = (): void => {
    try {
      db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
      db.exec('BEGIN IMMEDIATE')
      db.exec('ROLLBACK')
    } catch (error) {
      if (!String(error).includes('locked')) throw error
      busy += 1
    }
  }
  let killed = 0
  const successors: Promise<unknown>[] = []
  await fleet.until('all but the jobs of the killed are accepted', (history) => {
    storm()
    const ended = history.filter(({ e }) => e === 'settled').length
    const victim = fleet.processes.filter(({ pid }) => producers.every((p) => p.pid !== pid))[0]
    if (killed < 2 && ended > 500 * (killed + 1) && victim !== undefined) {
      fleet.fault('kill', victim)
      killed += 1
      successors.push(fleet.worker({ concurrency: 20, lease: 3_000 }))
    }
    return killed === 2 && history.filter(({ e }) => e === 'done').length === 2
  })
  db.close()
  await Promise.all(successors)
  await fleet.drained()
  await fleet.stop()
  const { violations, figures } = check(fleet.history, await fleet.final())
  const facts = [JSON.stringify(figures), `${busy} times locked out`]
  const ms = Math.round(performance.now() - startedAt)
  report({ broker: 'SQLite', case: 'F27: a checkpoint storm', ok: violations.length === 0, ms, facts })
  expect(violations).toEqual([])
  expect(figures.accepted).toBe(3_000)
  sound(fleet.broker)
})

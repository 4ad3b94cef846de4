// Law 13 by query plans: no statement reads a growing table from end to end or sorts one.
import { expect, test } from 'vitest'
import { pickEngine } from './engine.ts'
import { openStore } from './schema.ts'
import { sql } from './sql.generated.ts'

/** Tables that hold kinds of things, not jobs: they stay small whatever is waiting. */
const SMALL = ['counters', 'queues', 'rules', 'workers', 'schedules', 'names', 'meta']

/** Statements that sort a bounded number of rows: the steps of one job. */
const SORTS = ['readSteps']

const engine = await pickEngine()
const db = openStore(engine, { file: ':memory:', durability: 'normal', namespace: 'default' })

test.each(Object.entries(sql).filter(([, text]) => !text.startsWith('PRAGMA')))('%s', (name, text) => {
  const places = text.split('?').length - 1
  const plan = db
    .prepare(`EXPLAIN QUERY PLAN ${text}`)
    .all<[number, number, number, string]>(...Array.from({ length: places }, () => 1))
  const steps = plan.map(([, , , detail]) => detail)
  const scans = steps.filter((step) => step.startsWith('SCAN ') && !SMALL.includes(step.split(' ')[1] ?? ''))
  // A constant row and the rows that a subquery has already found are no tables.
  expect(scans.filter((step) => !/^SCAN (CONSTANT ROW|\d+ CONSTANT ROWS|\(subquery)/.test(step))).toEqual([])
  expect(steps.filter((step) => step.includes('TEMP B-TREE') && !SORTS.includes(name))).toEqual([])
})

test('the check itself sees a scan and a sort', () => {
  const details = db
    .prepare('EXPLAIN QUERY PLAN SELECT seq FROM jobs WHERE crashes = 1 ORDER BY failures')
    .all<[number, number, number, string]>()
    .map(([, , , detail]) => detail)
  expect(details).toEqual(
    expect.arrayContaining([expect.stringMatching(/^SCAN jobs/), expect.stringContaining('TEMP B-TREE')]),
  )
})

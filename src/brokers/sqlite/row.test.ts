import { expect, test } from 'vitest'
import { jobStates } from '../../job/states.ts'
import { pickEngine } from './engine.ts'
import { CARE } from './flags.ts'
import { isReadable, rareOf, STATE } from './row.ts'
import { openStore } from './schema.ts'
import { sql } from './sql.generated.ts'

const db = openStore(await pickEngine(), { file: ':memory:', durability: 'normal', namespace: 'default' })

test('the numbers of the states are their places in the transition table, and the store knows no others', () => {
  expect(Object.entries(STATE)).toEqual(jobStates.map((state, index) => [state, index]))
  const insert = (state: number): number =>
    db
      .prepare(
        `INSERT INTO jobs (id, state, flags, task, queue, priority, lane, version, created_at, codec, lease_until, ended_at)
         VALUES (?, ?, 0, 1, 1, 5, ?, 1, 0, 0, ?, ?)`,
      )
      .run(String(state), state, state === 2 ? 1 : null, state === 3 ? 1 : null, state > 3 ? 1 : null)
  for (const state of jobStates.keys()) expect(insert(state)).toBe(1)
  expect(() => insert(jobStates.length)).toThrow(/CHECK/)
  expect(() => insert(-1)).toThrow(/CHECK/)
  db.exec('DELETE FROM jobs')
})

test('the store holds that a lane, a lease and an end go with their states', () => {
  const insert = (columns: string, values: string): void =>
    db.exec(`INSERT INTO jobs (id, flags, task, queue, priority, version, created_at, codec, ${columns})
             VALUES ('x', 0, 1, 1, 5, 1, 0, 0, ${values})`)
  expect(() => insert('state', '2')).toThrow(/CHECK/)
  expect(() => insert('state', '3')).toThrow(/CHECK/)
  expect(() => insert('state', '4')).toThrow(/CHECK/)
  expect(() => insert('state, lease_until', '1, 5')).toThrow(/CHECK/)
})

test('the short way of a success is closed to what needs care, by the same bits', () => {
  expect(sql.succeedJob).toContain(`(flags & ${CARE}) = 0`)
})

test.each(['{"tags":', '"text"', 'null', ''])(
  'rare fields that are %j are none, and known to be damaged',
  (rare) => {
    expect(isReadable(rare)).toBe(false)
    expect(rareOf({ rare })).toEqual({})
  },
)

import { expect, test } from 'vitest'
import { toStoreError } from './errors.ts'

test.each([
  ['better-sqlite3', Object.assign(new Error('database is locked'), { code: 'SQLITE_BUSY' })],
  ['node:sqlite', Object.assign(new Error('database is locked'), { code: 'ERR_SQLITE_ERROR', errcode: 5 })],
])('a file that others hold for too long may be tried again later, says %s', (_, error) => {
  expect(toStoreError(error, 'jobs.db')).toMatchObject({ code: 'BROKER_UNAVAILABLE' })
})

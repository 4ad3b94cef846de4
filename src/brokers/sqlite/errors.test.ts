import { expect, test } from 'vitest'
import { OffstageError } from '../../errors/error.ts'
import { isBusy, isOutage, toStoreError } from './errors.ts'

const named = (code: string): Error => Object.assign(new Error('the engine said so'), { code })
const numbered = (errcode: number): Error =>
  Object.assign(new Error('the engine said so'), { code: 'ERR_SQLITE_ERROR', errcode })

test.each([
  [named('SQLITE_NOTADB'), 'STORE_NOT_A_DATABASE'],
  [named('SQLITE_READONLY_DIRECTORY'), 'STORE_READONLY'],
  [named('SQLITE_CANTOPEN'), 'STORE_READONLY'],
  [named('EACCES'), 'STORE_READONLY'],
  [named('EROFS'), 'STORE_READONLY'],
  [named('SQLITE_FULL'), 'STORE_FULL'],
  [named('ENOSPC'), 'STORE_FULL'],
  [named('SQLITE_CORRUPT_INDEX'), 'STORE_CORRUPT'],
  [named('SQLITE_IOERR'), 'STORE_FAILED'],
  [named('SQLITE_BUSY'), 'BROKER_UNAVAILABLE'],
  [numbered(5), 'BROKER_UNAVAILABLE'],
  [numbered(26), 'STORE_NOT_A_DATABASE'],
  [numbered(8 | (6 << 8)), 'STORE_READONLY'],
  [numbered(14), 'STORE_READONLY'],
  [numbered(13), 'STORE_FULL'],
  [numbered(11), 'STORE_CORRUPT'],
  [numbered(10), 'STORE_FAILED'],
  ['no error at all', 'STORE_FAILED'],
  [undefined, 'STORE_FAILED'],
])('%s %#', (error, code) => {
  expect(toStoreError(error, '/srv/jobs.db')).toMatchObject({
    code,
    message: expect.stringContaining('/srv/jobs.db'),
  })
})

test('busy by either engine is waited out; the trouble of one call is no outage', () => {
  expect([named('SQLITE_BUSY_SNAPSHOT'), numbered(5 | (2 << 8)), named('SQLITE_LOCKED')].map(isBusy)).toEqual(
    [true, true, true],
  )
  expect([named('SQLITE_FULL'), named('SQLITE_CONSTRAINT')].map(isBusy)).toEqual([false, false])
  expect([named('SQLITE_FULL'), named('SQLITE_CONSTRAINT'), new SyntaxError('x')].map(isOutage)).toEqual([
    true,
    false,
    false,
  ])
})

test('a coded error stays as it is', () => {
  const error = new OffstageError('STORE_TOO_NEW', 'too new')
  expect(toStoreError(error)).toBe(error)
})

// Proves what the doctor says of Node, of a store's file, of room on the disk and of the clock.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { checkClock, checkNode, checkRoom, checkStoreFile, roomCheck } from './checks.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'offstage-checks-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test.each([
  ['20.19.0', 'ok'],
  ['24.1.0', 'ok'],
  ['20.18.3', 'fail'],
  ['18.20.0', 'fail'],
])('Node %s: %s', (version, status) => {
  expect(checkNode(version).status).toBe(status)
})

test('a store that is not there yet will be made; a folder that is not there is a failure', () => {
  expect(checkStoreFile(join(folder, 'a.db')).map(({ status }) => status)).toEqual(['ok', 'ok'])
  expect(checkStoreFile(join(folder, 'no/a.db'))).toEqual([
    { name: 'store', status: 'fail', message: expect.stringContaining('does not exist') },
  ])
})

test.skipIf(process.platform === 'win32')('a file that others may read is a warning', () => {
  const file = join(folder, 'a.db')
  writeFileSync(file, '')
  chmodSync(file, 0o644)
  expect(checkStoreFile(file)).toContainEqual({
    name: 'mode',
    status: 'warn',
    message: expect.stringContaining('0644'),
  })
  chmodSync(file, 0o600)
  expect(checkStoreFile(file)).toContainEqual({ name: 'mode', status: 'ok', message: '0600' })
})

test('room on the disk', async () => {
  expect([1_024, 100 * 1_024 ** 2, 10 * 1_024 ** 3].map((bytes) => roomCheck(bytes).status)).toEqual([
    'fail',
    'warn',
    'ok',
  ])
  expect((await checkRoom(folder)).message).toMatch(/free/)
  expect((await checkRoom(join(folder, 'no'))).status).toBe('warn')
})

test('a clock that is apart is a warning', () => {
  expect(checkClock(10_000, 10_900).status).toBe('ok')
  expect(checkClock(10_000, 12_500)).toEqual({
    name: 'clock',
    status: 'warn',
    message: expect.stringContaining('2.5 s'),
  })
})

import { expect, test } from 'vitest'
import { passesGate, pickEngine } from './engine.ts'

test.each(['3.51.3', '3.51.9', '3.52.0', '3.53.4', '4.0.0', '3.50.7', '3.50.12', '3.44.6'])(
  '%s passes',
  (version) => {
    expect(passesGate(version)).toBe(true)
  },
)

test.each(['3.51.2', '3.51.0', '3.50.6', '3.49.2', '3.45.1', '3.44.5', '3.43.9', '3.7.0', '', 'unknown'])(
  '%s is too old',
  (version) => {
    expect(passesGate(version)).toBe(false)
  },
)

test('an engine is found, and it passes', async () => {
  const engine = await pickEngine()
  expect(passesGate(engine.version)).toBe(true)
})

test.skipIf(process.getBuiltinModule('node:sqlite') !== undefined)(
  'where the one that was asked for is not there, the error says what was found and what to install',
  async () => {
    await expect(pickEngine('node')).rejects.toMatchObject({
      code: 'SQLITE_ENGINE_MISSING',
      message: expect.stringMatching(/node:sqlite is not there.*npm install better-sqlite3@12/),
    })
  },
)

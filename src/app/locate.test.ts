import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { locateBroker } from './locate.ts'

let root: string
let inside: string

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'offstage-locate-'))
  inside = join(root, 'package', 'src', 'deep')
  mkdirSync(inside, { recursive: true })
  writeFileSync(join(root, 'package', 'package.json'), '{}')
})

afterAll(() => rmSync(root, { recursive: true }))

test('code wins, then the environment, then SQLite beside the nearest package.json', () => {
  const env = { OFFSTAGE_BROKER: 'sqlite:env.db', NODE_ENV: 'production' }
  const baseDir = join(root, 'package')
  expect(locateBroker('memory:', { env, cwd: inside })).toEqual({ url: 'memory:', from: 'code', baseDir })
  expect(locateBroker(undefined, { env, cwd: inside })).toEqual({
    url: 'sqlite:env.db',
    from: 'OFFSTAGE_BROKER',
    baseDir,
  })
  expect(locateBroker(undefined, { env: { OFFSTAGE_BROKER: '' }, cwd: inside })).toEqual({
    url: 'sqlite:offstage.db',
    from: 'default',
    baseDir,
  })
})

test('in production none at all is an error that says how to name one', () => {
  expect(() => locateBroker(undefined, { env: { NODE_ENV: 'production' }, cwd: inside })).toThrow(
    expect.objectContaining({
      code: 'BROKER_REQUIRED',
      message: expect.stringMatching(/offstage\(\{ broker: .*OFFSTAGE_BROKER/),
    }),
  )
})

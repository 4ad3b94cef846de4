import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Call, Scripts } from './scripts.ts'

/** Line 1, column 1 of the script is line 3, column 5 of the source (mappings `AAEI`, base 64 VLQ). */
const MAP = { version: 3, sources: ['../src/mail.ts'], names: [], mappings: 'AAEI' }
const inline = `data:application/json;base64,${Buffer.from(JSON.stringify(MAP)).toString('base64')}`

const call: Call = { functionName: 'send', location: { scriptId: '1', lineNumber: 0, columnNumber: 0 } }

function scriptsWith(url: string, sourceMapURL?: string): Scripts {
  const scripts = new Scripts()
  scripts.add({ scriptId: '1', url, sourceMapURL })
  return scripts
}

describe('the place of a call', () => {
  test('is that of the script where there is no map, or none that can be read', () => {
    for (const map of [
      undefined,
      '',
      'data:application/json,{',
      'missing.js.map',
      'http://example.org/a.map',
    ])
      expect(scriptsWith('file:///app/dist/mail.js', map).describe(call)).toBe('send (/app/dist/mail.js:1:1)')
  })

  test('is that of the source by a map in the script, in base 64 or not', () => {
    const plain = `data:application/json;charset=utf-8,${encodeURIComponent(JSON.stringify(MAP))}`
    for (const map of [inline, plain])
      expect(scriptsWith('file:///app/dist/mail.js', map).describe(call)).toBe('send (/app/src/mail.ts:3:5)')
  })

  test('is that of the source by a map beside the script', () => {
    const folder = mkdtempSync(join(tmpdir(), 'offstage-scripts-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    writeFileSync(join(folder, 'mail.js.map'), JSON.stringify({ ...MAP, sources: ['mail.ts'] }))
    const url = pathToFileURL(join(folder, 'mail.js')).href
    expect(scriptsWith(url, 'mail.js.map').describe(call)).toBe(`send (${join(folder, 'mail.ts')}:3:5)`)
  })

  test('has a name for what has none', () => {
    const scripts = scriptsWith('')
    expect(scripts.describe({ ...call, functionName: '' })).toBe('(anonymous) ((no file):1:1)')
    const elsewhere = { ...call, location: { ...call.location, scriptId: '2' } }
    expect(scripts.describe(elsewhere)).toBe('send ((no file):1:1)')
  })
})

test('own code is neither of Node, nor of a package, nor of the library', () => {
  const owned = (url: string): boolean => scriptsWith(url).isOwn(call)
  expect(owned('file:///app/src/mail.ts')).toBe(true)
  expect(owned('/app/src/mail.cjs')).toBe(true)
  const others = ['', 'node:internal/timers', 'file:///app/node_modules/bcryptjs/index.js', import.meta.url]
  expect(others.map(owned)).toEqual([false, false, false, false])
})

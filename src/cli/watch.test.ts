// Proves that a change of a source is told once things are quiet, and that other files are not told.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, sep } from 'node:path'
import { expect, test } from 'vitest'
import { isSource, watchSources } from './watch.ts'

test.each([
  ['tasks.ts', true],
  [`mail${sep}send.mts`, true],
  ['data.json', true],
  ['offstage.db', false],
  ['offstage.db-wal', false],
  [`node_modules${sep}x${sep}index.js`, false],
  [`.git${sep}x.json`, false],
  ['README.md', false],
])('%s: %s', (file, source) => {
  expect(isSource(file)).toBe(source)
})

test('a change below the folder is told, and one of a store is not', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'offstage-watch-'))
  mkdirSync(join(folder, 'deep'))
  const told: string[] = []
  let close = (): void => undefined
  try {
    await new Promise<void>((resolve, reject) => {
      close = watchSources({
        folders: [folder],
        debounceMs: 20,
        onChange: (file) => {
          told.push(file)
          resolve()
        },
        onError: reject,
      })
      writeFileSync(join(folder, 'offstage.db'), 'x')
      writeFileSync(join(folder, 'deep', 'task.ts'), 'export {}')
    })
    expect(told).toEqual([join('deep', 'task.ts')])
  } finally {
    close()
    rmSync(folder, { recursive: true, force: true })
  }
})

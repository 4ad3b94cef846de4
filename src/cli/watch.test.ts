// Proves that a change of a source is told once things are quiet, and that other files are not told.
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
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

interface Watched {
  readonly folder: string
  /** Does something to the folder and resolves to what is told next. */
  readonly told: (change: () => void) => Promise<string>
}

async function watched(use: (watched: Watched) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'offstage-watch-'))
  mkdirSync(join(folder, 'deep'))
  writeFileSync(join(folder, 'tasks.ts'), 'export {}')
  let tell: (file: string) => void = () => undefined
  const watching = watchSources({
    folders: [folder],
    debounceMs: 20,
    onChange: (file) => tell(file),
    onError: (error) => {
      throw error
    },
  })
  try {
    await watching.ready
    await use({
      folder,
      told: (change) => {
        const next = new Promise<string>((resolve) => {
          tell = resolve
        })
        change()
        return next
      },
    })
  } finally {
    await watching.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

test('a change below the folder is told, and one of a store is not', () =>
  watched(async ({ folder, told }) => {
    const file = await told(() => {
      writeFileSync(join(folder, 'offstage.db'), 'x')
      writeFileSync(join(folder, 'deep', 'task.ts'), 'export {}')
    })
    expect(file).toBe(join('deep', 'task.ts'))
  }))

test('a file that an editor replaces by renaming is told, and so is what happens to it afterwards', () =>
  watched(async ({ folder, told }) => {
    const replaced = await told(() => {
      writeFileSync(join(folder, 'tasks.ts.tmp'), 'export const a = 1')
      renameSync(join(folder, 'tasks.ts.tmp'), join(folder, 'tasks.ts'))
    })
    expect(replaced).toBe('tasks.ts')
    // Watching a replaced file is taken up anew, which takes a moment; people save more than once, too.
    let saves = 0
    const save = (): void => {
      saves += 1
      writeFileSync(join(folder, 'tasks.ts'), `export const a = ${saves}`)
    }
    const saving = setInterval(save, 100)
    const written = await told(save)
    clearInterval(saving)
    expect(written).toBe('tasks.ts')
  }))

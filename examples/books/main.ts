// `npm start`: reads the command line, says by the environment where jobs and books are kept, and starts the run.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Options, readOptions, USAGE } from './options.ts'

async function main(): Promise<void> {
  const options = readCommandLine()
  if (options === undefined) return
  const folder = openFolder(options)
  try {
    // The tasks read their settings from the environment, as they do in a worker process of their own. So these are
    // set before anything that uses them is imported.
    process.env.OFFSTAGE_BROKER = options.broker ?? `sqlite:${join(folder, 'jobs.db')}`
    process.env.BOOKS_DB = join(folder, 'books.db')
    const { run } = await import('./run.ts')
    await run(options)
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  } finally {
    if (!options.keep) rmSync(folder, { recursive: true, force: true })
  }
}

function readCommandLine(): Options | undefined {
  try {
    const options = readOptions(process.argv.slice(2))
    if (!options.help) return options
    console.log(USAGE)
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`)
    process.exitCode = 2
  }
  return undefined
}

/** A fresh folder, so that every start has all the work to do again; with --keep always the same one. */
function openFolder(options: Options): string {
  if (!options.keep) return mkdtempSync(join(tmpdir(), 'offstage-books-'))
  const kept = fileURLToPath(new URL('.offstage', import.meta.url))
  mkdirSync(kept, { recursive: true })
  return kept
}

await main()

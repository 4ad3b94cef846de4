// Event loops that are blocked for longer than they may be, in processes of their own.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { type App, offstage } from '../../src/index.ts'
import type { Blocking } from './blocking.ts'

const CHILD = fileURLToPath(new URL('./blocking.ts', import.meta.url))

interface Started {
  readonly process: ChildProcess
  readonly printed: () => string
}

function start(blocking: Blocking): Started {
  const child = spawn(process.execPath, ['--import', 'tsx', CHILD, JSON.stringify(blocking)], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
  return { process: child, printed: () => text }
}

function here(): { readonly app: App; readonly broker: string } {
  const folder = mkdtempSync(join(tmpdir(), 'offstage-blocked-'))
  const broker = `sqlite:${join(folder, 'jobs.db')}`
  const app = offstage({ broker })
  onTestFinished(async () => {
    await app.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return { app, broker }
}

async function shown(text: () => string, part: string): Promise<void> {
  await expect.poll(text, { timeout: 20_000, interval: 20 }).toContain(part)
}

test('a loop that is blocked beyond its limit loses its leases, says so past the loop, and goes on afterwards', async () => {
  const { app, broker } = here()
  const hard = app.task({ name: 'hard', run: () => 'elsewhere' })
  const job = await hard.enqueue()
  const options = { lease: 500, maxBlock: 1_500 }
  const child = start({ broker, blockMs: 8_000, options })
  await shown(child.printed, 'its jobs are kept no longer')
  expect(child.printed()).toContain(`by job '${job.id}' of task 'hard' at run (`)
  expect(child.printed()).toMatch(/blocking\.ts:\d+:\d+\)/)
  await app.worker({ lease: 500 }).start()
  expect(await job.result()).toBe('elsewhere')
  await app.close()
  // The old attempt is refused, and the next job runs as ever.
  await shown(child.printed, 'lease of a job was lost before its outcome was recorded')
  const again = offstage({ broker })
  onTestFinished(() => again.close())
  const next = await again.task({ name: 'hard', run: () => 'elsewhere' }).enqueue()
  expect(await next.result()).toBe('in the process that was blocked')
  expect(await again.job(job.id).record()).toMatchObject({ state: 'succeeded', failures: 0 })
  child.process.stdin?.end()
  expect(await once(child.process, 'exit')).toEqual([0, null])
})

test('exitOnBlock ends the process as if it had been killed, and its jobs run elsewhere', async () => {
  const { app, broker } = here()
  const hard = app.task({ name: 'hard', run: () => 'elsewhere' })
  const job = await hard.enqueue(undefined, { timeout: 1_000 })
  const options = { lease: 500, abandonAfter: 300, exitOnBlock: true }
  const child = start({ broker, blockMs: 60_000, options })
  expect(await once(child.process, 'exit')).toEqual([null, 'SIGKILL'])
  expect(child.printed()).toContain('the process ends itself')
  await app.worker({ lease: 500 }).start()
  expect(await job.result()).toBe('elsewhere')
})

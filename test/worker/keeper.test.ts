// Leases that are kept from a thread while the event loop is blocked, on a real store and under a real clock.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, onTestFinished, test } from 'vitest'
import type { ReachableBroker } from '../../src/broker/reaching.ts'
import { type SqliteBroker, sqlite } from '../../src/brokers/sqlite/sqlite.ts'
import { type App, offstage } from '../../src/index.ts'
import { type BlockedMessage, subscribe } from '../../src/runtime/channels.ts'
import type { LogFields, Logger } from '../../src/runtime/logger.ts'

interface Line {
  readonly level: keyof Logger
  readonly text: string
  readonly fields: LogFields
}

const apps: App[] = []

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()))
})

function newFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'offstage-keeper-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'jobs.db')
}

function store(): SqliteBroker {
  return sqlite({ file: newFile() })
}

function appOn(broker: ReachableBroker): { readonly app: App; readonly lines: Line[] } {
  const lines: Line[] = []
  const at =
    (level: keyof Logger): Logger['info'] =>
    (first: string | LogFields, second?: string) => {
      const fields = typeof first === 'string' ? {} : first
      lines.push({ level, fields, text: typeof first === 'string' ? first : (second ?? '') })
    }
  const logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  const app = offstage({ broker, logger })
  apps.push(app)
  return { app, lines }
}

/** Resolves when the thread keeps the leases: it has shown the worker by a connection of its own. */
async function kept(lines: readonly Line[]): Promise<void> {
  await expect
    .poll(() => lines.some(({ text }) => text.includes('thread keeps the leases')), { timeout: 20_000 })
    .toBe(true)
}

function block(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end) Math.sqrt(end)
}

/** Where the loop of `block` stands in this file. */
const PLACE = /^block \(.*test\/worker\/keeper\.test\.ts:\d+:\d+\)$/

describe('a handler that blocks the event loop for several leases', () => {
  test('keeps its lease, runs once, and is named with its line, loudly once', async () => {
    const { app, lines } = appOn(store())
    const blocks: BlockedMessage[] = []
    onTestFinished(subscribe('offstage:blocked', (message) => blocks.push(message)))
    const runs: string[] = []
    const hard = app.task({
      name: 'hard',
      async run(how: 'at once' | 'later', ctx) {
        runs.push(ctx.job.id)
        if (how === 'later') await new Promise(setImmediate)
        block(1_500)
        return ctx.signal.aborted
      },
    })
    const worker = app.worker({ lease: 400, concurrency: 2 })
    await worker.start()
    await kept(lines)
    const one = await hard.enqueue('at once')
    expect(await one.result()).toBe(false)
    const two = await hard.enqueue('later')
    expect(await two.result()).toBe(false)
    expect(runs).toEqual([one.id, two.id])
    expect(await one.record()).toMatchObject({ state: 'succeeded', crashes: 0, failures: 0 })
    await expect.poll(() => blocks.length).toBe(2)
    for (const [i, { id }] of [one, two].entries()) {
      expect(blocks[i]).toMatchObject({ job: id, task: 'hard', worker: worker.id, running: 1 })
      expect(blocks[i]?.place).toMatch(PLACE)
      expect(blocks[i]?.blockedMs).toBeGreaterThan(1_000)
    }
    const said = lines.filter(({ text }) => text.includes('blocked the event loop'))
    expect(said.map(({ level }) => level)).toEqual(['warn', 'debug'])
    expect(said[0]?.text).toContain(`job '${one.id}' of task 'hard'`)
    expect(said[0]?.text).toContain("runIn: 'thread'")
  })

  test('finds its own leases where a broker is in the loop, before its own upkeep takes them', async () => {
    const { app } = appOn(store())
    let runs = 0
    const hard = app.task({
      name: 'hard',
      run() {
        runs += 1
        block(700)
      },
    })
    await app.worker({ lease: 300, keeper: 'loop' }).start()
    const job = await hard.enqueue()
    await job.result()
    expect([runs, (await job.record())?.crashes]).toEqual([1, 0])
  })
})

describe('the thread', () => {
  test('that cannot be made or dies is replaced, and the loop keeps the leases meanwhile', async () => {
    const broker = store()
    const real = broker.reach.bind(broker)
    let asked = 0
    broker.reach = () => {
      asked += 1
      return asked === 1 ? { module: 'file:///nowhere/offstage.js', data: undefined } : real()
    }
    const { app, lines } = appOn(broker)
    let runs = 0
    const slow = app.task({
      name: 'slow',
      async run() {
        runs += 1
        await expect
          .poll(() => lines.some(({ text }) => text.includes('has ended')), { timeout: 20_000 })
          .toBe(true)
        await kept(lines)
      },
    })
    await app.worker({ lease: 300 }).start()
    const job = await slow.enqueue()
    await job.result()
    expect([asked, runs]).toEqual([2, 1])
  })

  test('that cannot renew is helped by the loop, whose connection is another', async () => {
    const file = newFile()
    const broker = sqlite({ file })
    broker.reach = () => ({ module: new URL('./lame.ts', import.meta.url).href, data: undefined })
    const { app, lines } = appOn(broker)
    let runs = 0
    let clock = 0
    const slow = app.task({
      name: 'slow',
      async run(_, ctx) {
        runs += 1
        await kept(lines)
        clock = performance.now()
        // Four leases.
        await expect.poll(() => performance.now() - clock, { timeout: 20_000 }).toBeGreaterThan(2_400)
        return ctx.signal.aborted
      },
    })
    await app.worker({ lease: 600 }).start()
    const job = await slow.enqueue()
    await expect.poll(() => runs).toBe(1)
    // Somebody else who would take it.
    const { app: other } = appOn(sqlite({ file }))
    other.task({ name: 'slow', run: () => 'elsewhere' })
    await other.worker({ lease: 600 }).start()
    expect(await job.result()).toBe(false)
    expect(lines.some(({ text }) => text.includes('keeper failed'))).toBe(true)
  })

  test('is not made where the broker says why it cannot be reached, and that is said', async () => {
    const broker = store()
    broker.reach = () => 'its broker was made by hand'
    const { app, lines } = appOn(broker)
    const task = app.task({ name: 'quick', run: () => 1 })
    await app.worker().start()
    expect(await (await task.enqueue()).result()).toBe(1)
    expect(lines.filter(({ text }) => text.includes('made by hand'))).toMatchObject([{ level: 'warn' }])
  })

  test('shows the worker, and takes its entry away at the end', async () => {
    const { app, lines } = appOn(store())
    app.task({ name: 'quick', run: () => 1 })
    const worker = app.worker({ concurrency: 3 })
    await worker.start()
    await kept(lines)
    const [shown] = await app.workers.list()
    expect(shown).toMatchObject({
      id: worker.id,
      tasks: ['quick'],
      concurrency: 3,
      active: 0,
      state: 'running',
    })
    await worker.stop()
    expect(await app.workers.list()).toEqual([])
  })
})

// Secrets in the URL of the broker, in inputs and in headers: whatever goes wrong, none is in a log line, an error, a stored
// error, what the broker says of its health, or what the command line prints.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { expect } from 'vitest'
import { z } from 'zod'
import type { App, AppOptions, Logger } from '../../src/index.ts'
import { moduleUrl } from './fleet.ts'
import { ended, only } from './reading.ts'
import type { Arena, FaultCase } from './suite.ts'

/** With what has to be escaped in a URL. */
const PASSWORD = 'pass/w@rd:7f3e91'
const CARD = 'card-4000-1234-5678'
const BEARER = 'bearer-9a8b7c6d'
const TOO_LONG = 'x'.repeat(5_000)
const MAX_BYTES = 10_000

export const secretCases: readonly FaultCase[] = [
  {
    title: 'F50: secrets in URLs, inputs and headers are in no log, no error, no health and nothing printed',
    run: secrets,
  },
]

async function secrets(arena: Arena): Promise<void> {
  const { fleet, atEnd, say } = arena
  const url = await arena.guarded(PASSWORD)
  const said: string[] = []
  /** Everything that can be seen of it, hidden properties and causes included. */
  const hear = (what: string, ...values: readonly unknown[]): void =>
    void said.push(`${what}: ${inspect(values, { depth: 20, showHidden: true, maxStringLength: null })}`)
  const log =
    (level: string) =>
    (...line: readonly unknown[]): void =>
      hear(`log ${level}`, ...line)
  const logger: Logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') }
  const options: AppOptions = { broker: url, logger, maxPayloadBytes: MAX_BYTES }
  const app = await fleet.app(options)
  atEnd(() => app.close())

  await jobs(app, hear)
  const broker = await app.broker()
  hear('health', await broker.health())
  hear('workers', await broker.workers())

  // A producer and a worker that say all they know, also while the broker is away.
  const way = { captured: true }
  const worker = await fleet.worker({ concurrency: 4, lease: 2_000 }, { broker: url, way })
  const options2 = { headers: { authorization: BEARER } }
  const producer = await fleet.producer(
    { seed: 50, prefix: 'job', count: 1_000_000, perSecond: 50, failing: 0.2, options: options2 },
    url,
    undefined,
    way,
  )
  await fleet.until('it works', (history) => ended(history) > 20)
  if (arena.has('server')) {
    fleet.outage('the broker is killed', { long: true })
    await arena.server.kill()
    await fleet.until('it is noticed', (history) => only(history, 'noticed').length > 3)
    hear('an enqueue without a broker', await caught(app.tasks[0]?.enqueue({ card: CARD })))
    const other = await fleet.app(options)
    atEnd(() => other.close())
    hear('an opening without a broker', await caught(other.broker()))
    await cli(url, hear)
    await arena.server.restart()
    fleet.outage('the broker is back', { long: true })
  }
  await cli(url, hear)
  fleet.fault('term', producer)
  fleet.fault('term', worker)
  await Promise.all([producer.ended, worker.ended])
  hear('the producer printed', producer.printed())
  hear('the worker printed', worker.printed())

  const text = said.join('\n')
  say(`${text.length} characters were said`)
  expect(text).toContain('log ')
  for (const secret of [PASSWORD, encodeURIComponent(PASSWORD), CARD, BEARER]) {
    const at = text.indexOf(secret)
    expect(at < 0 ? '' : text.slice(Math.max(0, at - 300), at + 100)).toBe('')
  }
}

type Hear = (what: string, ...values: readonly unknown[]) => void

/** Jobs that end in every way, and calls that are refused in every way. */
async function jobs(app: App, hear: Hear): Promise<void> {
  const retry = { attempts: 1 }
  const headers = { authorization: BEARER }
  const input = z.object({ card: z.string().max(40) })
  const work = app.task({ name: 'pay', input, retry, run: () => ({ ok: true }) })
  const bad = app.task({
    name: 'refuse',
    input,
    retry,
    run: () => {
      throw new Error('the bank said no')
    },
  })
  const large = app.task({ name: 'large', input, retry, run: ({ card }) => card.repeat(MAX_BYTES) })
  const odd = app.task({ name: 'odd', input, retry, run: ({ card }) => ({ card, paid: 1n }) })
  const worker = app.worker({ concurrency: 4 })
  await worker.start()
  for (const task of [work, bad, large, odd]) {
    const job = await task.enqueue({ card: CARD }, { headers })
    hear(`the result of ${task.name}`, await caught(job.result({ timeout: '20s' })))
    const [record] = await (await app.broker()).get([job.id])
    hear(`the error of ${task.name}`, record?.error, record?.attempts)
  }
  const refused: readonly [string, unknown, object][] = [
    ['too long a card', { card: `${CARD}${TOO_LONG}` }, {}],
    ['another type', { card: { number: CARD } }, {}],
    ['no object', CARD, {}],
    ['no JSON', { card: CARD, more: [BigInt(1), CARD] }, {}],
    ['too long a header', { card: CARD }, { headers: { authorization: `${BEARER}${TOO_LONG}` } }],
    ['a header that is no text', { card: CARD }, { headers: { authorization: [BEARER] } }],
    ['headers that are none', { card: CARD }, { headers: BEARER }],
    ['an option that is none', { card: CARD }, { header: { authorization: BEARER } }],
  ]
  for (const [what, value, options] of refused) {
    const error = await caught(work.enqueue(value as { card: string }, options))
    expect(error, what).toBeInstanceOf(Error)
    hear(what, error)
  }
  const plain = app.task<unknown>({ name: 'plain', retry, run: () => null })
  hear('too large', await caught(plain.enqueue({ card: CARD, more: TOO_LONG.repeat(3) })))
  hear('no JSON without a schema', await caught(plain.enqueue({ card: CARD, more: () => CARD })))
  await worker.stop()
}

async function caught(call: Promise<unknown> | undefined): Promise<unknown> {
  try {
    return await call
  } catch (error) {
    return error
  }
}

/** What people look at first when something is wrong. */
async function cli(broker: string, hear: Hear): Promise<void> {
  const main = fileURLToPath(moduleUrl('cli/main'))
  for (const command of ['doctor', 'status', 'queues', 'jobs']) {
    const args = ['--import', 'tsx', main, command, '--broker', broker]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let text = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (part: string) => {
        text += part
      })
    await once(child, 'close')
    expect(text, command).not.toBe('')
    hear(`offstage ${command}`, text)
  }
}

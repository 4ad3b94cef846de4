// Attempts that wait for a thread: one at a time in each, and what waits has not started.
import { existsSync, writeFileSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { Kit, recordOf } from './kit.ts'
import { app } from './tasks.ts'
import { isAlive, until } from './until.ts'

const kit = new Kit()
afterAll(() => kit.close())

const one = { threads: { max: 1 }, processes: { max: 1 }, concurrency: 3, lease: '60s' }

describe.each(['thread', 'process'] as const)('what waits for a %s', (kind) => {
  test('never starts when it is cancelled meanwhile', async () => {
    const worker = await kit.start(one)
    const [go, file] = [kit.file(), kit.file()]
    const busy = await kit.enqueue(kind, 'wait', go)
    const waiting = await kit.enqueue(kind, 'spin', file)
    await until('both hold a slot', () => worker.active === 2)
    await waiting.cancel()
    await until('it is cancelled', async () => (await waiting.state()) === 'cancelled')
    writeFileSync(go, 'go')
    await busy.result({ timeout: '20s' })
    expect(await kit.result(kind, 'echo', 1)).toBe(1)
    expect((await recordOf(waiting)).attempts).toEqual([])
    expect(existsSync(file)).toBe(false)
  })

  test('has the whole of its timeout before it', async () => {
    const worker = await kit.start({ ...one, abandonAfter: '20s' })
    const [go, file] = [kit.file(), kit.file()]
    const busy = await kit.enqueue(kind, 'wait', go)
    const waiting = await kit.enqueue(kind, 'heed', file, { timeout: '300ms' })
    await until('both hold a slot', () => worker.active === 2)
    const since = performance.now()
    await until('its time would be over', () => performance.now() - since > 400)
    expect(await recordOf(waiting)).toMatchObject({ state: 'active', failures: 0 })
    writeFileSync(go, 'go')
    await busy.result({ timeout: '20s' })
    // It was begun after all, and had its time then.
    expect((await kit.attempted(waiting)).error).toMatchObject({ code: 'ATTEMPT_TIMEOUT' })
    expect(existsSync(file)).toBe(true)
  })

  test('is given back in its place when the worker stops, and what runs may finish', async () => {
    const worker = await kit.start(one)
    const [go, file] = [kit.file(), kit.file()]
    const busy = await kit.enqueue(kind, 'wait', go)
    const waiting = await kit.enqueue(kind, 'spin', file)
    await until('both hold a slot', () => worker.active === 2)
    const stopping = worker.stop({ grace: '20s' })
    await until('it is given back', async () => (await waiting.state()) === 'ready')
    expect(await busy.state()).toBe('active')
    writeFileSync(go, 'go')
    await stopping
    expect(await busy.state()).toBe('succeeded')
    expect(await recordOf(waiting)).toMatchObject({ state: 'ready', failures: 0, crashes: 0, suspect: false })
    await waiting.cancel()
  })

  test('what runs at the end of the grace is ended and given back', async () => {
    const worker = await kit.start(one)
    const file = kit.file()
    const job = await kit.enqueue(kind, 'spin', file)
    const pid = Number(await kit.wrote(file))
    await worker.stop({ grace: 0 })
    expect(await recordOf(job)).toMatchObject({ state: 'ready', failures: 0 })
    if (kind === 'process') await until('the process is gone', () => !isAlive(pid))
    await job.cancel()
  })
})

test('a worker whose tasks all run in threads claims as many as it has', async () => {
  const worker = app.worker({ tasks: app.tasks.filter(({ name }) => name === 'thread'), threads: { max: 2 } })
  await worker.start()
  const go = kit.file()
  const jobs = await Promise.all([1, 2, 3, 4].map(() => kit.enqueue('thread', 'wait', go)))
  await until('two hold a slot', () => worker.active === 2)
  const states = await Promise.all(jobs.map((job) => job.state()))
  expect(states.filter((state) => state === 'active').length).toBe(2)
  writeFileSync(go, 'go')
  for (const job of jobs) await job.result({ timeout: '20s' })
  await worker.stop()
})

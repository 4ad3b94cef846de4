import { describe, expect, it } from 'vitest'
import { memory } from './memory.ts'

describe('memory', () => {
  it('carries a job from enqueue to its end', async () => {
    const broker = memory()
    await broker.open()
    const bytes = new TextEncoder().encode('{"a":1}')
    const answer = await broker.enqueue([
      [
        {
          id: 'a',
          task: 't',
          queue: 'q',
          priority: 5,
          input: { codec: 0, bytes },
          retention: { succeededMs: 1000, failedMs: 1000, cancelledMs: 1000 },
          maxCrashes: 3,
        },
      ],
    ])
    expect(answer).toEqual([{ ok: true, jobs: [{ status: 'enqueued', id: 'a' }] }])
    const { jobs } = await broker.reserve({
      queues: ['q'],
      max: 10,
      leaseMs: 1000,
      worker: 'w',
      starting: 10,
      suspects: 1,
    })
    expect(jobs.map(({ id }) => id)).toEqual(['a'])
    const outcome = {
      id: 'a',
      token: jobs[0]?.token ?? 0,
      kind: 'succeeded',
      result: { codec: 0, bytes },
      ranMs: 1,
    } as const
    expect((await broker.settle({ outcomes: [outcome, outcome] })).answers).toEqual(['ok', 'ok'])
    expect((await broker.get(['a']))[0]).toMatchObject({ state: 'succeeded' })
    await broker.close()
    await expect(broker.maintain()).rejects.toMatchObject({ code: 'BROKER_CLOSED' })
  })
})

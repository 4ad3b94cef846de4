// Jobs that are enqueued and completed inside the user's own transactions, while the processes that do it die.
import { expect } from 'vitest'
import { endAll, steady } from './cases-network.ts'
import type { Process } from './fleet.ts'
import { Ledger } from './ledger.ts'
import { ended, firstAfter, only } from './reading.ts'
import { type Arena, type FaultCase, LEASE_MS } from './suite.ts'

const ROUNDS = 3

export const withinCases: readonly FaultCase[] = [
  {
    title: 'F25: enqueued in a transaction: nobody sees it before the commit, nobody ever after a rollback',
    star: true,
    needs: 'server',
    run: visibility,
  },
  {
    title:
      'F25: killed in the middle of their transactions: each order has its job, each job its deed, once, and no other has',
    star: true,
    needs: 'server',
    run: killedWithin,
  },
]

async function visibility({ fleet, server, watch, atEnd }: Arena): Promise<void> {
  const ledger = await Ledger.create(server.url)
  atEnd(() => ledger.close())
  const app = await fleet.app()
  atEnd(() => app.close())
  const work = app.task<{ readonly n: number }>({ name: 'work', run: () => undefined })
  const broker = await fleet.open()
  atEnd(() => broker.close())
  const unseen = async (id: string): Promise<void> => {
    expect(await broker.get([id])).toEqual([undefined])
    expect((await broker.list({})).jobs.map((job) => job.id)).not.toContain(id)
    expect(only(fleet.history, 'run').map((run) => run.id)).not.toContain(id)
  }
  await fleet.worker({ concurrency: 4, lease: LEASE_MS })
  // Enqueued later and done earlier: whoever is not committed holds up nobody.
  const others = (prefix: string): Promise<void> => fleet.enqueue({ seed: 25, prefix, count: 5 })
  const input = { n: 1, workMs: 0, fails: 0, pad: '' }

  for (const [turn, end] of ['commit', 'commit', 'rollback'].entries()) {
    const id = `${end}-${turn}`
    // Of three transactions the ledger rolls back the third.
    const done = await ledger.order(id, async (tx) => {
      const job = await work.enqueue(input, { id, tx })
      expect(job.duplicate).toBe(false)
      await unseen(id)
      await others(`beside-${id}`)
      await fleet.until('the others have ended', (history) => ended(history) >= (turn + 1) * 5 + turn)
      await unseen(id)
      return job
    })
    const at = Date.now()
    if (end === 'rollback') {
      expect(done).toBeUndefined()
      await unseen(id)
      continue
    }
    const run = await fleet.until('it runs', (history) =>
      only(history, 'run').find((event) => event.id === id),
    )
    watch.check('until a job ran after its commit it', run.at - at, 1_000)
  }
  await fleet.drained()
  await unseen('rollback-2')
  expect(await fleet.stop()).toEqual([0])
  expect(await ledger.orders()).toEqual(['commit-0', 'commit-1'])
}

async function killedWithin({ fleet, server, say, atEnd, verdict }: Arena): Promise<void> {
  const ledger = await Ledger.create(server.url)
  atEnd(() => ledger.close())
  const { url } = server
  const worker = (): Promise<Process> => fleet.worker({ concurrency: 8, lease: LEASE_MS }, { ledger: url })
  const workers = await Promise.all([worker(), worker()])
  for (let round = 0; round < ROUNDS; round += 1) {
    const load = { ...steady(`r${round}`), seed: round, workMs: 10, failing: 0.05, perSecond: 300 }
    const producer = await fleet.producer(load, undefined, url)
    const from = Date.now()
    await fleet.until('some are accepted', (history) =>
      only(history, 'accepted').length > (round + 1) * 70 + round * 7 ? true : undefined,
    )
    await fleet.until('some run', (history) => firstAfter(history, 'ran', from))
    fleet.fault('kill', producer)
    const victim = workers.shift()
    if (victim !== undefined) fleet.fault('kill', victim)
    workers.push(await worker())
  }
  await endAll(fleet)
  const jobs = (await fleet.final()).jobs.map(({ id }) => id).sort()
  const orders = await ledger.orders()
  const deeds = await ledger.deeds()
  say(`${orders.length} orders, ${only(fleet.history, 'run').length} runs`)
  expect(orders).toEqual(jobs)
  expect(deeds).toEqual(jobs)
  const { figures } = await verdict()
  // Some were committed, and whoever did it died before it could say so.
  expect(figures.ended).toBeGreaterThanOrEqual(figures.accepted)
}

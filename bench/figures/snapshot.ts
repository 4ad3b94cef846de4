// What a snapshot that is held open does to claims: `seconds` of enqueueing and claiming at full rate while another
// connection keeps a REPEATABLE READ transaction open, so that no dead row can be cleared away, over a third of that time
// without it.
// Where the store's claims can be called by themselves their times are taken, one trip after the other; else only the
// rate of a worker.
import { Client } from 'pg'
import { databaseOf } from '../systems/system.ts'
import { args, count, fill, open, percentile, print, startRole, stopRole } from './support.ts'

const BATCH = 100
/** So many wait at most: the producer is told how many have been claimed. */
const AHEAD = 10_000
const CALL = 1_000
const WARM_MS = 2_000
/** Also in a quick look: in less, nothing piles up. */
const LEAST_SECONDS = 10

interface Measured {
  readonly rate: number
  readonly p50: number
  readonly p99: number
}

if (args.role === 'producer') await produce()
else {
  const free = await measure('free')
  const held = await measure('held')
  print({
    ratio: held.p99 / free.p99,
    p50Ratio: held.p50 / free.p50,
    p50: held.p50,
    p99: held.p99,
    freeP99: free.p99,
    rate: held.rate,
    rateRatio: held.rate / free.rate,
  })
}

async function measure(name: 'free' | 'held'): Promise<Measured> {
  const seconds = Math.max(LEAST_SECONDS, name === 'held' ? count('seconds') : count('seconds') / 3)
  const broker = `${args.broker}_${name}`
  const system = await open(broker)
  await fill(system, AHEAD)
  const release = name === 'held' ? await hold(broker) : undefined
  const producer = await startRole('producer')
  producer.send({ broker })
  let claimed = 0
  const tell = (came: number): void => {
    const before = Math.floor(claimed / CALL)
    claimed += came
    if (Math.floor(claimed / CALL) > before) producer.send({ claimed })
  }
  const measured = system.claims === undefined ? await byWorker() : await byTrips(await system.claims(BATCH))
  await stopRole(producer)
  await release?.()
  await system.close()
  return measured

  async function byTrips(loop: { trip(): Promise<number>; stop(): Promise<unknown> }): Promise<Measured> {
    const times: number[] = []
    let counted = 0
    const begin = performance.now() + WARM_MS
    const end = begin + seconds * 1_000
    for (let at = performance.now(); at < end; ) {
      const came = await loop.trip()
      const now = performance.now()
      if (at >= begin) {
        times.push(now - at)
        counted += came
      }
      at = now
      tell(came)
    }
    await loop.stop()
    return {
      rate: counted / seconds,
      p50: percentile(times, 0.5),
      p99: percentile(times, 0.99),
    }
  }

  async function byWorker(): Promise<Measured> {
    const stop = await system.work(() => tell(1), BATCH)
    await new Promise((resolve) => setTimeout(resolve, WARM_MS))
    const before = claimed
    const since = performance.now()
    await new Promise((resolve) => setTimeout(resolve, seconds * 1_000))
    const rate = ((claimed - before) / (performance.now() - since)) * 1_000
    await stop()
    return { rate, p50: Number.NaN, p99: Number.NaN }
  }
}

async function hold(broker: string): Promise<() => Promise<void>> {
  const client = new Client({ connectionString: databaseOf(broker).connectionString })
  await client.connect()
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
  // The snapshot is taken by the first statement.
  await client.query('SELECT count(*) FROM pg_class')
  return () => client.end()
}

/** Enqueues as fast as it can, as long as not too many wait. */
async function produce(): Promise<void> {
  process.on('disconnect', () => process.exit())
  let claimed = 0
  let more: () => void = () => undefined
  process.on('message', async (message: { broker?: string; claimed?: number }) => {
    claimed = message.claimed ?? claimed
    more()
    if (message.broker === undefined) return
    const system = await open(message.broker)
    for (let made = AHEAD; ; made += CALL) {
      while (made - claimed > AHEAD)
        await new Promise<void>((resolve) => {
          more = resolve
        })
      await fill(system, CALL)
    }
  })
  process.send?.('ready')
}

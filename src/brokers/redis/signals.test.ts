// Who waits for work hears of it even where the connection was away when the wait began: on a server of the test's own,
// behind a network that can be harmed.
import { expect, onTestFinished } from 'vitest'
import { NetProxy } from '../../../test/faults/proxy.ts'
import { inTime, lasting } from '../../../test/faults/time.ts'
import { startRedis } from '../../../test/support/redis-server.ts'
import { redisTest } from '../../../test/support/redis-tests.ts'
import { QUEUE, request, spec } from '../../laws/factories.ts'
import { redis } from './redis.ts'

const HEARD_MS = 10_000

/** A broker that reaches its server through a network that can be harmed, and another that reaches it past that. */
async function behindProxy() {
  const server = await startRedis()
  onTestFinished(() => server.stop())
  const proxy = await NetProxy.start({ host: '127.0.0.1', port: server.port })
  onTestFinished(() => proxy.close())
  const nodes = [{ host: '127.0.0.1', port: proxy.port }]
  const waiting = redis({ nodes, reconnectWaitMs: 100, silenceMs: 500 })
  const other = redis(server.url)
  onTestFinished(async () => void (await Promise.all([waiting.close(), other.close()])))
  await waiting.open()
  await other.open()
  return { server, proxy, waiting, other }
}

redisTest.each(['before the first wait', 'after a wait that was heard'])(
  'a wait that begins without a connection is heard when there is one again (%s)',
  async (when) => {
    const { proxy, waiting, other } = await behindProxy()
    const never = new AbortController().signal
    if (when.startsWith('after')) {
      const first = waiting.wake(['first'], never)
      await other.enqueue([[spec({ queue: 'first' })]])
      expect(
        await inTime(
          HEARD_MS,
          first.then(() => true),
        ),
      ).toBe(true)
    }

    await proxy.refuse()
    let heard = 0
    const wait = async (): Promise<void> => {
      await waiting.wake([QUEUE], never)
      heard += 1
    }
    let woken = wait()
    // By then whatever was tried at the beginning has been given up.
    await lasting(1_500)
    await proxy.restore()
    // The first may be for what was missed meanwhile; whoever waits again is told of what comes.
    await lasting(3_000)
    const sofar = heard
    if (sofar > 0) woken = wait()
    await other.enqueue([[spec()]])
    expect(
      await inTime(
        HEARD_MS,
        woken.then(() => true),
      ),
    ).toBe(true)
    expect(heard).toBe(sofar + 1)
  },
)

redisTest('what may have been missed while nobody waited is told to who waits next', async () => {
  const { server, proxy, waiting, other } = await behindProxy()
  const never = new AbortController().signal
  const first = waiting.wake([QUEUE], never)
  await other.enqueue([[spec()]])
  await first
  await waiting.reserve(request({ max: 9 }))

  const before = proxy.accepted
  proxy.cut()
  await expect.poll(() => proxy.accepted, { timeout: HEARD_MS }).toBeGreaterThan(before + 1)
  const channels = async (): Promise<string> => String(await server.cli('PUBSUB', 'CHANNELS', '*wake:*'))
  await expect.poll(channels, { timeout: HEARD_MS }).toContain('wake:')
  const heard = waiting.wake([QUEUE], never).then(() => true)
  expect(await inTime(HEARD_MS, heard)).toBe(true)
  // Once, and not again and again.
  let again = false
  const stop = new AbortController()
  const last = waiting.wake([QUEUE], stop.signal).then(() => {
    again = true
  })
  await waiting.queues()
  expect(again).toBe(false)
  stop.abort()
  await last
})

// Listening, and a network that is harmed.
import { describe, expect } from 'vitest'
import { now, until } from '../../../../test/faults/time.ts'
import {
  behindProxy,
  ears,
  failureOf,
  fresh,
  notify,
  one,
  opened,
  sleeping,
  works,
} from '../../../../test/support/postgres-client.ts'
import { postgresTest } from '../../../../test/support/postgres-tests.ts'
import { postgresUrl } from '../../../../test/support/servers.ts'

describe('listening', () => {
  postgresTest('hears a channel, and hears of what it may have missed', async () => {
    const { proxy, url } = await behindProxy()
    const client = await opened(url)
    const [a, b] = [`${fresh()} "A"`, fresh()]
    const first = await ears(client, a)
    const second = await ears(client, b)
    expect(first.listening.deaf).toBe(false)
    await notify(client, a, 'one')
    await notify(client, b, 'two')
    await until('both are heard', () => first.heard.length > 0 && second.heard.length > 0)
    expect([first.missed(), second.missed()]).toEqual([0, 0])
    for (let times = 1; times <= 3; times++) {
      proxy.cut()
      await until('it says what may be missed', () => first.missed() === times && second.missed() === times)
      await works(client)
      await notify(client, a, `again ${times}`)
      await until('it hears again', () => first.heard.includes(`again ${times}`))
    }
    second.listening.stop()
    await notify(client, b, 'unheard')
    await notify(client, a, 'last')
    await until('the other is heard', () => first.heard.includes('last'))
    expect(second.heard).toEqual(['two'])
    expect((await client.facts()).listening).toBe('on')
  })

  postgresTest('is left alone in poll-only mode', async () => {
    const client = await opened(`${postgresUrl}?listen=off`)
    expect(
      client.listen(
        'c',
        () => undefined,
        () => undefined,
      ),
    ).toBeNull()
    expect((await client.facts()).listening).toBe('off')
  })

  postgresTest('goes over a connection of its own where one is named', async () => {
    const { proxy, url } = await behindProxy()
    const client = await opened(url, { pooler: 'transaction', listenUrl: postgresUrl })
    const channel = fresh()
    const { heard } = await ears(client, channel)
    expect(proxy.accepted).toBe(1)
    await notify(client, channel, 'one')
    await until('it is heard', () => heard.length > 0)
  })

  postgresTest('comes back from a network that swallows all it is given', async () => {
    const { proxy, url } = await behindProxy()
    const client = await opened(postgresUrl, { listenUrl: url })
    const channel = fresh()
    const { missed } = await ears(client, channel)
    proxy.blackHole()
    const startedAt = now()
    await until('the dead connection is given up', () => proxy.givenUp > 0, { limitMs: 8_000 })
    expect(now() - startedAt).toBeLessThan(6_000)
    await proxy.restore()
    await until('it listens again', () => missed() > 0, { limitMs: 5_000 })
  })
})

describe('a network that', () => {
  postgresTest('cuts connections costs what was under way, and nothing else', async () => {
    const { proxy, url } = await behindProxy()
    const client = await opened(url)
    for (let times = 0; times < 5; times++) {
      const slow = failureOf(sleeping(client, 10_000))
      await until('it is under way', () => proxy.open > 0)
      proxy.cut()
      expect((await slow).code).toBe('BROKER_UNAVAILABLE')
      await works(client)
    }
  })

  postgresTest('is gone for a while is waited for, and told of when it stays away', async () => {
    const { proxy, url } = await behindProxy()
    const client = await opened(url, { reconnectWaitMs: 1_000 })
    await proxy.refuse()
    await failureOf(one(client))
    const startedAt = now()
    const error = await failureOf(one(client))
    expect(error.code).toBe('BROKER_UNAVAILABLE')
    expect(error.message).toContain('ECONNREFUSED')
    expect(now() - startedAt).toBeGreaterThanOrEqual(990)
    const waiting = one(client)
    await proxy.restore()
    expect(await waiting).toBe(1)
    expect(client.takeOutageMs()).toBeGreaterThan(900)
    expect(client.takeOutageMs()).toBe(0)
  })

  postgresTest('swallows all it is given is noticed, and work goes on when it is mended', async () => {
    const { proxy, url } = await behindProxy()
    const client = await opened(url)
    await Promise.all(Array.from({ length: 8 }, () => one(client)))
    proxy.blackHole()
    const startedAt = now()
    const errors = await Promise.all(Array.from({ length: 8 }, () => failureOf(one(client))))
    expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(['BROKER_UNAVAILABLE']))
    expect(now() - startedAt).toBeLessThan(8_000)
    expect(client.takeOutageMs()).toBeGreaterThan(2_500)
    await failureOf(one(client))
    await proxy.restore()
    const mendedAt = now()
    await works(client)
    expect(now() - mendedAt).toBeLessThan(3_000)
  })

  postgresTest('lost the answer of a lone statement is not waited for', async () => {
    const { proxy, url } = await behindProxy()
    const client = await opened(url, { silenceMs: 500 })
    proxy.blackHole()
    const lost = failureOf(one(client))
    expect((await lost).message).toMatch(/has not answered for 500 ms/)
  })
})

// Proves where probes are answered and how: addresses, status codes, sockets that were left behind or are in use, and when a
// worker is ready.
import { linkSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AppWorker } from '../../app/worker.ts'
import type { BrokerHealth } from '../../broker/contract.ts'
import { ManualClock } from '../../runtime/manual-clock.ts'
import { UsageError } from '../exit.ts'
import { type ProbeAddress, probeAddress } from './address.ts'
import { type Health, WorkerHealth } from './health.ts'
import { openProbe, type Probe } from './listener.ts'

test.each<[string, ProbeAddress]>([
  ['8080', { kind: 'port', host: '127.0.0.1', port: 8080 }],
  ['0.0.0.0:8080', { kind: 'port', host: '0.0.0.0', port: 8080 }],
  ['localhost:0', { kind: 'port', host: 'localhost', port: 0 }],
  ['[::]:8080', { kind: 'port', host: '::', port: 8080 }],
  ['unix:/run/a b.sock', { kind: 'socket', path: '/run/a b.sock' }],
  ['unix:w.sock', { kind: 'socket', path: '/srv/w.sock' }],
])('%s', (text, address) => {
  expect(probeAddress(text, '--probe', '/srv')).toEqual(address)
})

test.each(['', 'x', '65536', '-1', 'unix:', 'host:', ':80', '::1:80', '/run/a.sock', 'http://a:80', '80 '])(
  "'%s' is no address",
  (text) => {
    expect(() => probeAddress(text, '--probe', '/')).toThrow(UsageError)
    expect(() => probeAddress(text, '--probe', '/')).toThrow(`--probe: probe is '${text}'; write a port`)
  },
)

describe('the listener', () => {
  let folder: string
  const open: Probe[] = []
  let health: Health

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'offstage-probe-'))
    health = { live: true, ready: false, pid: 1, state: 'starting', uptimeMs: 1, active: 0 }
  })
  afterEach(async () => {
    for (const probe of open.splice(0)) await probe.close()
    rmSync(folder, { recursive: true, force: true })
  })

  async function listen(address: ProbeAddress): Promise<Probe> {
    const probe = await openProbe(address, () => health)
    open.push(probe)
    return probe
  }

  const onPort = (port = 0): ProbeAddress => ({ kind: 'port', host: '127.0.0.1', port })
  const onSocket = (): ProbeAddress => ({ kind: 'socket', path: join(folder, 'w.sock') })

  test('says by its status whether it is live and ready', async () => {
    const { location } = await listen(onPort())
    expect(location).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    const status = async (path: string, method = 'GET') =>
      (await fetch(`${location}${path}`, { method })).status
    expect([await status('/live'), await status('/ready'), await status('/')]).toEqual([200, 503, 200])
    health = { ...health, live: false, ready: true }
    expect([await status('/live'), await status('/ready'), await status('/')]).toEqual([503, 200, 200])
    expect([await status('/ready?verbose'), await status('/ready', 'HEAD')]).toEqual([200, 200])
    expect([await status('/healthz'), await status('/live', 'POST')]).toEqual([404, 405])
    expect(await (await fetch(`${location}/`)).json()).toEqual(health)
  })

  test('a port that is taken is refused', async () => {
    const { location } = await listen(onPort())
    const port = Number(new URL(location).port)
    await expect(openProbe(onPort(port), () => health)).rejects.toThrow(
      new UsageError(`probes cannot be answered on 127.0.0.1:${port}: another process listens there`),
    )
  })

  test('a unix socket is for its user alone, and goes with the listener', async () => {
    const probe = await listen(onSocket())
    expect(probe.location).toBe(`unix:${join(folder, 'w.sock')}`)
    expect(statSync(join(folder, 'w.sock')).mode & 0o777).toBe(0o600)
    expect((await askSocket(join(folder, 'w.sock'), '/live')).statusCode).toBe(200)
    expect((await askSocket(join(folder, 'w.sock'), '/ready')).statusCode).toBe(503)
    await probe.close()
    expect(readdirSync(folder)).toEqual([])
  })

  test('a socket that a killed process left behind is replaced', async () => {
    await leaveSocket(folder)
    await listen(onSocket())
    expect((await askSocket(join(folder, 'w.sock'), '/live')).statusCode).toBe(200)
  })

  test('a socket that is in use, and any other file, stay as they are', async () => {
    await listen(onSocket())
    await expect(openProbe(onSocket(), () => health)).rejects.toThrow('another process listens there')
    expect((await askSocket(join(folder, 'w.sock'), '/live')).statusCode).toBe(200)
    writeFileSync(join(folder, 'file'), 'mine')
    const path = join(folder, 'file')
    await expect(openProbe({ kind: 'socket', path }, () => health)).rejects.toThrow('is no socket')
    expect(statSync(path).size).toBe(4)
    const nowhere = join(folder, 'no', 'w.sock')
    await expect(openProbe({ kind: 'socket', path: nowhere }, () => health)).rejects.toThrow(UsageError)
  })
})

function askSocket(socketPath: string, path: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request({ socketPath, path }, (response) => {
      response.resume()
      resolve(response)
    })
      .on('error', reject)
      .end()
  })
}

/** A file at which nobody answers any more: the listener closes the name that it was bound to, and not the second one. */
async function leaveSocket(folder: string): Promise<void> {
  const server = createServer()
  const first = join(folder, 'first')
  await new Promise<void>((resolve) => server.listen(first, () => resolve()))
  linkSync(first, join(folder, 'w.sock'))
  await new Promise((resolve) => server.close(resolve))
  expect(readdirSync(folder)).toEqual(['w.sock'])
}

describe('a worker is ready', () => {
  const clock = new ManualClock()
  const answer = { now: 0, location: '', engine: '', durability: '', warnings: [], facts: {} }
  let reply: () => Promise<BrokerHealth>
  let calls: number
  let health: WorkerHealth
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  const advance = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 1_000) {
      clock.advance(Math.min(1_000, left))
      await settled()
    }
  }
  const broker = {
    health: (): Promise<BrokerHealth> => {
      calls += 1
      return reply()
    },
  }
  const worker = { ready: true, active: 3 } as unknown as AppWorker

  beforeEach(() => {
    calls = 0
    reply = async () => answer
    health = new WorkerHealth(clock)
  })
  afterEach(() => {
    health.stop()
    expect(clock.waiting).toBe(0)
  })

  test('from its start until it drains', async () => {
    health.watch()
    expect(health.now()).toMatchObject({
      live: true,
      ready: false,
      state: 'starting',
      reason: 'it has not started yet',
    })
    health.started(worker, broker)
    expect(health.now()).toMatchObject({ ready: true, state: 'running', active: 3 })
    await advance(120_000)
    expect(health.now()).toMatchObject({ ready: true })
    health.draining()
    expect(health.now()).toMatchObject({
      live: true,
      ready: false,
      state: 'draining',
      reason: 'it is draining',
    })
  })

  test('asks its broker only where somebody wants to know', async () => {
    health.started(worker, broker)
    await advance(60_000)
    expect(calls).toBe(0)
    health.watch()
    health.watch()
    await advance(30_000)
    expect(calls).toBeGreaterThanOrEqual(10)
    expect(calls).toBeLessThanOrEqual(11)
  })

  test.each([
    ['refuses', () => Promise.reject(new Error('away'))],
    ['says nothing', () => new Promise<BrokerHealth>(() => undefined)],
  ])('not while the broker %s for ten seconds, and again when it answers', async (_, away) => {
    health.watch()
    health.started(worker, broker)
    await advance(20_000)
    reply = away
    await advance(7_000)
    expect(health.now()).toMatchObject({ live: true, ready: true })
    await advance(6_000)
    expect(health.now()).toMatchObject({ live: true, ready: false })
    expect(health.now().reason).toMatch(/^the broker has not answered for 1\ds$/)
    reply = async () => answer
    await advance(6_000)
    expect(health.now()).toMatchObject({ ready: true })
  })
})

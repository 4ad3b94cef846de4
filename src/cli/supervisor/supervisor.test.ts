// Proves supervision with children that are no processes and a clock that stands still: restarts, back-off, rolls,
// recycling, draining, and what probes are told meanwhile.
import { afterEach, expect, test } from 'vitest'
import { FakeChildren, settled } from '../../../test/support/fake-children.ts'
import { ManualClock } from '../../runtime/manual-clock.ts'
import { SupervisorHealth } from './health.ts'
import { Supervisor } from './supervisor.ts'

const GRACE_MS = 10_000

class Kit {
  readonly clock = new ManualClock()
  readonly fakes = new FakeChildren()
  readonly said: string[] = []
  readonly supervisor: Supervisor
  readonly health: SupervisorHealth
  code: number | undefined

  constructor(processes: number) {
    this.supervisor = new Supervisor({
      processes,
      startChild: this.fakes.start,
      clock: this.clock,
      // The whole of each back-off.
      random: () => 1,
      graceMs: GRACE_MS,
      say: { note: (text) => this.said.push(text), warn: (text) => this.said.push(`warning: ${text}`) },
    })
    this.health = new SupervisorHealth(this.supervisor, this.clock)
    void this.supervisor.run().then((code) => {
      this.code = code
    })
  }

  get history(): readonly string[] {
    return this.fakes.history
  }

  async ready(...pids: readonly number[]): Promise<void> {
    for (const pid of pids) {
      this.fakes.get(pid).ready()
      await settled()
    }
  }

  async end(pid: number, how: { code?: number; signal?: NodeJS.Signals } = { code: 0 }): Promise<void> {
    this.fakes.get(pid).end(how)
    await settled()
  }

  async advance(ms: number): Promise<void> {
    this.clock.advance(ms)
    await settled()
  }

  /** Forgets what happened so far. */
  clear(): void {
    this.fakes.history.length = 0
    this.said.length = 0
  }
}

/** All children ready, and nothing in the history. */
async function running(processes: number): Promise<Kit> {
  const kit = new Kit(processes)
  for (let pid = 1; pid <= processes; pid += 1) await kit.ready(pid)
  kit.clear()
  return kit
}

let kit: Kit
afterEach(async () => {
  kit.health.stop()
  kit.supervisor.end('SIGTERM')
  await settled()
  expect(kit.fakes.alive).toEqual([])
  expect(kit.clock.waiting).toBe(0)
})

test('the first child starts alone, the others when it is ready', async () => {
  kit = new Kit(3)
  await settled()
  expect(kit.history).toEqual(['start 1'])
  await kit.ready(1)
  expect(kit.history).toEqual(['start 1', 'ready 1', 'start 2', 'start 3'])
})

test.each([
  [{ code: 2 }, 2],
  [{ code: 4 }, 4],
  [{ code: 0 }, 1],
  [{ signal: 'SIGSEGV' as const }, 1],
])(
  'a first child that ends with %j before it is ready: the supervisor gives up with %i',
  async (how, code) => {
    kit = new Kit(2)
    await kit.end(1, how)
    expect(kit.code).toBe(code)
    expect(kit.history).toEqual(['start 1', 'end 1'])
  },
)

test('a child that ends by itself is followed by another after a back-off that grows, and begins anew once it was well', async () => {
  kit = await running(2)
  await kit.end(2, { signal: 'SIGKILL' })
  expect(kit.said).toEqual([
    'warning: process 2 (pid 2) ended with SIGKILL after 0ms; another one starts in 500ms',
  ])
  await kit.advance(499)
  expect(kit.fakes.alive).toEqual([1])
  await kit.advance(1)
  expect(kit.fakes.alive).toEqual([1, 3])

  // Never ready: a crash loop, each time twice as long, up to half a minute, for ever.
  const waits: number[] = []
  for (let pid = 3; pid < 13; pid += 1) {
    await kit.end(pid, { code: 1 })
    const before = kit.clock.monotonic()
    while (kit.fakes.children.length === pid) await kit.advance(500)
    waits.push(kit.clock.monotonic() - before)
  }
  expect(waits).toEqual([1, 2, 4, 8, 16, 30, 30, 30, 30, 30].map((seconds) => seconds * 1_000))
  expect(kit.said.at(-1)).toContain(
    'ended with code 1 after 0ms, 11 times in a row; another one starts in 30s',
  )
  expect(kit.code).toBeUndefined()

  await kit.ready(13)
  await kit.advance(60_000)
  await kit.end(13, { code: 1 })
  expect(kit.said.at(-1)).toContain(
    'process 2 (pid 13) ended with code 1 after 1m; another one starts in 500ms',
  )
})

test('drain: all at once, exit 0 when the last has ended; nothing is restarted', async () => {
  kit = await running(3)
  await kit.end(3, { code: 1 })
  kit.clear()
  kit.supervisor.drain()
  kit.supervisor.drain()
  expect(kit.history).toEqual(['drain 1', 'drain 2'])
  await kit.end(1)
  await kit.advance(5_000)
  expect(kit.code).toBeUndefined()
  await kit.end(2)
  expect(kit.code).toBe(0)
  expect(kit.fakes.children).toHaveLength(3)
})

test('a child that has not ended a second after its grace is killed', async () => {
  kit = await running(2)
  kit.supervisor.drain()
  await kit.end(1)
  await kit.advance(GRACE_MS + 999)
  expect(kit.fakes.alive).toEqual([2])
  await kit.advance(1)
  expect(kit.said).toEqual(['warning: process 2 (pid 2) did not end within its grace and is killed'])
  expect(kit.code).toBe(0)
})

test('end: all are killed, whatever they are at', async () => {
  kit = await running(2)
  kit.supervisor.roll()
  kit.supervisor.drain()
  kit.supervisor.end('SIGINT')
  await settled()
  expect(kit.fakes.alive).toEqual([])
  expect(kit.code).toBe(130)
})

test('a roll: successor ready first, then the old one drains, one place after another', async () => {
  kit = await running(2)
  kit.supervisor.roll()
  expect(kit.history).toEqual(['start 3'])
  await kit.ready(3)
  expect(kit.history).toEqual(['start 3', 'ready 3', 'drain 1'])
  await kit.end(1)
  await kit.ready(4)
  await kit.end(2)
  expect(kit.history.slice(3)).toEqual(['end 1', 'start 4', 'ready 4', 'drain 2', 'end 2'])
  expect(kit.fakes.alive).toEqual([3, 4])
  expect(kit.said.at(-1)).toBe('offstage worker: the rolling restart is complete')
})

test('rolls that are asked for during one are one more after it', async () => {
  kit = await running(1)
  kit.supervisor.roll()
  kit.supervisor.roll()
  kit.supervisor.roll()
  for (const pid of [2, 3]) {
    await kit.ready(pid)
    await kit.end(pid - 1)
  }
  expect(kit.fakes.children).toHaveLength(3)
  expect(kit.fakes.alive).toEqual([3])
})

test('a roll that is asked for before all have started comes after that', async () => {
  kit = new Kit(2)
  kit.supervisor.roll()
  await settled()
  expect(kit.history).toEqual(['start 1'])
  await kit.ready(1)
  expect(kit.history).toEqual(['start 1', 'ready 1', 'start 2', 'start 3'])
  expect(kit.supervisor.places[0]?.members.size).toBe(2)
})

test('a successor that ends before it is ready leaves all as it was, and ends the roll', async () => {
  kit = await running(2)
  kit.supervisor.roll()
  await kit.end(3, { code: 1 })
  expect(kit.fakes.alive).toEqual([1, 2])
  expect(kit.said.slice(1)).toEqual([
    'warning: process 1 (pid 3) ended with code 1 after 0ms',
    'warning: the successor of process 1 (pid 1) did not get ready; nothing was replaced',
    'warning: the rolling restart ends here; the others stay as they are',
  ])
  await kit.advance(600_000)
  expect(kit.fakes.alive).toEqual([1, 2])
})

test('a successor that is not ready within a minute is given up, and killed where it does not drain', async () => {
  kit = await running(1)
  kit.supervisor.roll()
  await kit.advance(59_999)
  expect(kit.history).toEqual(['start 2'])
  await kit.advance(1)
  expect(kit.history).toEqual(['start 2', 'drain 2'])
  // Too late.
  await kit.ready(2)
  expect(kit.history).not.toContain('drain 1')
  await kit.advance(GRACE_MS + 1_000)
  expect(kit.fakes.alive).toEqual([1])
})

test('a child that ends while its successor starts is followed by that one', async () => {
  kit = await running(1)
  kit.supervisor.roll()
  await kit.end(1, { signal: 'SIGKILL' })
  await kit.advance(60_000 - 1)
  expect(kit.fakes.children).toHaveLength(2)
  await kit.ready(2)
  expect(kit.supervisor.places[0]?.current?.pid).toBe(2)
  expect(kit.fakes.alive).toEqual([2])
})

test('where both end, the place is filled after a back-off', async () => {
  kit = await running(1)
  kit.supervisor.roll()
  await kit.end(1, { signal: 'SIGKILL' })
  await kit.end(2, { code: 1 })
  expect(kit.fakes.alive).toEqual([])
  await kit.advance(500)
  expect(kit.fakes.alive).toEqual([3])
})

test('a roll starts at once what waits for its restart', async () => {
  kit = await running(1)
  await kit.end(1, { code: 1 })
  kit.supervisor.roll()
  expect(kit.fakes.alive).toEqual([2])
  await kit.ready(2)
  await kit.advance(60_000)
  expect(kit.fakes.alive).toEqual([2])
})

test('children that ask to be replaced are, one after another, each once', async () => {
  kit = await running(3)
  for (const pid of [3, 1, 3])
    kit.fakes.get(pid).say({ offstage: 'replace', reason: 'it has ended 5 attempts' })
  expect(kit.said[0]).toBe('offstage worker: process 3 (pid 3) is to be replaced: it has ended 5 attempts')
  expect(kit.history).toEqual(['start 4'])
  await kit.ready(4)
  await kit.end(3)
  await kit.ready(5)
  await kit.end(1)
  expect(kit.history.filter((what) => !what.startsWith('end'))).toEqual([
    'start 4',
    'ready 4',
    'drain 3',
    'start 5',
    'ready 5',
    'drain 1',
  ])
  expect(kit.fakes.alive).toEqual([2, 4, 5])
})

test('draining during a roll drains the successor too', async () => {
  kit = await running(1)
  kit.supervisor.roll()
  kit.supervisor.drain()
  expect(kit.history).toEqual(['start 2', 'drain 1', 'drain 2'])
  await kit.end(2)
  await kit.end(1)
  expect(kit.code).toBe(0)
  expect(kit.said.some((text) => text.startsWith('warning'))).toBe(false)
})

const health = (ready: boolean) => ({
  live: true,
  ready,
  pid: 0,
  state: 'running' as const,
  uptimeMs: 1,
  active: 2,
  ...(!ready && { reason: 'the broker has not answered for 11s' }),
})

test('probes: ready while one child is, live while one answers', async () => {
  kit = new Kit(2)
  kit.health.start()
  expect(kit.health.now()).toMatchObject({ live: true, ready: false, reason: 'no process is ready' })
  await kit.ready(1, 2)
  expect(kit.health.now()).toMatchObject({ live: true, ready: true, state: 'running' })

  kit.clear()
  await kit.advance(2_000)
  expect(kit.history).toEqual(['ping 1', 'ping 2'])
  kit.fakes.get(1).say({ offstage: 'pong', health: health(false) })
  kit.fakes.get(2).say({ offstage: 'pong', health: health(true) })
  expect(kit.health.now()).toMatchObject({
    ready: true,
    active: 4,
    processes: [{ ready: false }, { ready: true }],
  })

  kit.fakes.get(2).say({ offstage: 'pong', health: health(false) })
  expect(kit.health.now()).toMatchObject({
    live: true,
    ready: false,
    reason: 'the broker has not answered for 11s',
  })

  // One that is silent does not make the others less alive; all of them do.
  await kit.advance(9_000)
  kit.fakes.get(1).say({ offstage: 'pong', health: health(true) })
  await kit.advance(1_000)
  expect(kit.health.now()).toMatchObject({
    live: true,
    ready: true,
    processes: [{ ready: true }, { ready: false }],
  })
  await kit.advance(9_000)
  expect(kit.health.now()).toMatchObject({ live: false, ready: false, reason: 'no process answers' })

  // Those that are to be started again are alive enough.
  await kit.end(1, { signal: 'SIGKILL' })
  await kit.end(2, { signal: 'SIGKILL' })
  expect(kit.health.now()).toMatchObject({ live: true, ready: false })

  kit.supervisor.drain()
  expect(kit.health.now()).toMatchObject({
    live: true,
    ready: false,
    state: 'draining',
    reason: 'it is draining',
  })
})

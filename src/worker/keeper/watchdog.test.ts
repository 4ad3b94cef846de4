import { beforeEach, describe, expect, test } from 'vitest'
import type { BlockedMessage } from '../../runtime/channels.ts'
import { ManualClock } from '../../runtime/manual-clock.ts'
import { Board } from './board.ts'
import type { Sample } from './stack.ts'
import { type Block, Watchdog } from './watchdog.ts'

const SAMPLE: Sample = { place: 'spin (mail.ts:3:1)', stack: ['spin (mail.ts:3:1)'], job: 'job' }

let clock: ManualClock
/** How long the machine stood still: time that no timer took part in. */
let stoodMs: number
let board: Board
let awake: boolean
let asked: number[]
let samples: number
let gaveBack: number
let exceeded: Block[]
let over: Omit<BlockedMessage, 'worker'>[]
let sample: () => Promise<Sample | undefined>

beforeEach(() => {
  clock = new ManualClock()
  stoodMs = 0
  board = new Board(4, ['mail'])
  awake = true
  asked = []
  samples = 0
  gaveBack = 0
  exceeded = []
  over = []
  sample = async () => SAMPLE
})

const now = (): number => clock.monotonic() + stoodMs

interface Given {
  readonly warnMs?: number | undefined
  readonly maxMs?: number
  readonly patienceMs?: number
  readonly always?: boolean
}

function watch(given: Given = {}): Watchdog {
  const usual = { warnMs: 250, maxMs: 60_000, patienceMs: 0, always: false }
  const { warnMs, maxMs, patienceMs, always } = { ...usual, ...given }
  const dog = new Watchdog(
    {
      board,
      clock: {
        now: () => clock.now(),
        monotonic: () => clock.monotonic() + stoodMs,
        schedule: (ms, run) => clock.schedule(ms, run),
      },
      warnMs,
      maxMs,
      patienceMs,
      always,
    },
    {
      ask: (question) => {
        asked.push(question)
        if (awake) board.answer(question, false, now())
      },
      sample: () => {
        samples += 1
        return sample()
      },
      giveBack: () => {
        gaveBack += 1
      },
      exceeded: (block) => exceeded.push(block),
      over: (block) => over.push(block),
    },
  )
  dog.start()
  return dog
}

/** One that runs. */
function runs(id = 'job', limit?: number): number {
  const row = board.add({ id, task: 'mail', token: 1, state: 'running', started: true })
  if (limit !== undefined) board.limit(row, clock.monotonic(), limit)
  return row
}

/** Passes in small steps, as looks of a thread that is not held up. */
async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 50) {
    clock.advance(Math.min(50, left))
    await Promise.resolve()
  }
}

function wakeUp(): void {
  awake = true
  board.answer(asked.at(-1) ?? 0, false, now())
}

describe('the watchdog', () => {
  test('asks nothing while nothing runs, and no loop that answers is blocked', async () => {
    watch()
    await pass(1_000)
    expect(asked).toEqual([])
    runs()
    await pass(1_000)
    expect(asked.length).toBeGreaterThan(15)
    expect([samples, gaveBack, exceeded, over]).toEqual([0, 0, [], []])
  })

  test('watches also while nothing runs where it is to end the process, and while a claim is under way', async () => {
    const dog = watch({ always: true, maxMs: 2_000 })
    awake = false
    await pass(2_500)
    expect(exceeded).toMatchObject([{ culprit: undefined }])
    await dog.stop()
    awake = true
    asked = []
    watch()
    const claim = board.ask()
    await pass(200)
    expect(asked.length).toBeGreaterThan(1)
    board.hear(claim)
  })

  test('takes an attempt whose time was over long ago for too long only when the loop has not turned for a while', async () => {
    watch({ patienceMs: 5_000 })
    const row = runs('late', 1_000)
    await pass(10_000)
    board.current = row
    awake = false
    await pass(3_000)
    expect(exceeded).toEqual([])
    await pass(3_000)
    expect(exceeded).toMatchObject([{ culprit: { id: 'late' } }])
  })

  test('takes one stack of a block, gives back what waits, and tells of it when the loop turns again', async () => {
    watch()
    const row = runs()
    board.current = row
    awake = false
    await pass(200)
    expect(samples).toBe(0)
    await pass(200)
    expect([samples, gaveBack]).toEqual([1, 0])
    await pass(400)
    expect(samples).toBe(1)
    expect(gaveBack).toBeGreaterThan(2)
    expect(over).toEqual([])
    wakeUp()
    await pass(50)
    const { stack, place } = SAMPLE
    expect(over).toEqual([
      { blockedMs: expect.any(Number), job: 'job', task: 'mail', place, stack, running: 1 },
    ])
    expect(over[0]?.blockedMs).toBeGreaterThanOrEqual(700)
    await pass(1_000)
    expect([samples, over.length, exceeded]).toEqual([1, 1, []])
  })

  test('knows the job by the stack where the handler was not called just now', async () => {
    watch()
    runs('other')
    runs()
    awake = false
    await pass(400)
    wakeUp()
    await pass(50)
    expect(over).toMatchObject([{ job: 'job', running: 2 }])
  })

  test('tells of a block without a stack', async () => {
    sample = async () => undefined
    watch()
    runs()
    awake = false
    await pass(400)
    wakeUp()
    await pass(50)
    expect(over).toEqual([
      {
        blockedMs: expect.any(Number),
        job: undefined,
        task: undefined,
        place: undefined,
        stack: [],
        running: 1,
      },
    ])
  })

  test('that is not to warn takes no stack and still gives back', async () => {
    watch({ warnMs: undefined })
    runs()
    awake = false
    await pass(600)
    wakeUp()
    await pass(50)
    expect([samples, over]).toEqual([0, []])
    expect(gaveBack).toBeGreaterThan(0)
  })

  test('keeps leases for as long as a loop may be blocked, or their attempts may take', async () => {
    const dog = watch({ maxMs: 2_000 })
    const rows = [runs('a'), runs('b', 1_000), runs('c', 5_000)]
    const kept = (): boolean[] =>
      rows.map((row) => {
        const read = board.read(row)
        return read !== undefined && dog.keeps(read)
      })
    awake = false
    await pass(500)
    expect(kept()).toEqual([true, true, true])
    await pass(1_000)
    expect(kept()).toEqual([true, false, true])
    await pass(1_000)
    expect(kept()).toEqual([false, false, true])
    await pass(3_000)
    expect(kept()).toEqual([false, false, false])
    wakeUp()
    expect(kept()).toEqual([true, true, true])
  })

  test('says once that a block is too long: by the time of its attempt, else by that of the loop', async () => {
    const dog = watch({ maxMs: 2_000 })
    board.current = runs('timed', 600)
    awake = false
    await pass(1_500)
    expect(exceeded).toMatchObject([{ culprit: { id: 'timed' }, sample: SAMPLE }])
    expect(exceeded).toHaveLength(1)
    wakeUp()
    await pass(100)
    sample = async () => undefined
    board.current = -1
    awake = false
    await pass(1_900)
    expect(exceeded).toHaveLength(1)
    await pass(500)
    expect(exceeded).toHaveLength(2)
    await dog.stop()
    expect(clock.waiting).toBe(0)
  })

  test('tells of a block that is just over also where it is stopped by then', async () => {
    const dog = watch()
    runs()
    awake = false
    await pass(400)
    wakeUp()
    await dog.stop()
    expect(over).toMatchObject([{ job: 'job' }])
  })

  test('takes no part where a debugger holds the loop', async () => {
    const dog = watch({ maxMs: 2_000 })
    const row = board.read(runs())
    board.answer(0, true, now())
    awake = false
    await pass(10_000)
    expect([samples, gaveBack, exceeded, over]).toEqual([0, 0, [], []])
    expect(row !== undefined && dog.keeps(row)).toBe(true)
  })

  test('does not take a machine that stood still for a loop that is blocked', async () => {
    watch()
    runs()
    awake = false
    clock.advance(50)
    stoodMs = 60_000
    await pass(100)
    expect([samples, gaveBack]).toEqual([0, 0])
    await pass(400)
    expect(samples).toBe(1)
  })
})

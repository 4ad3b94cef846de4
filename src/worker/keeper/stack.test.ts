import { expect, onTestFinished, test } from 'vitest'
import { ManualClock } from '../../runtime/manual-clock.ts'
import { type InspectorSession, sampleMainThread } from './stack.ts'

type Answer = (error: Error | null, answer?: object) => void

/** A session that answers as it is told, and refuses what is left when it ends, as the inspector does. */
function sessionThat(answers: (method: string) => object | undefined): InspectorSession {
  const open: Answer[] = []
  const session = {
    connectToMainThread: () => undefined,
    on: () => session,
    post: (method: string, _: unknown, answer: Answer) => {
      const known = answers(method)
      if (known === undefined) open.push(answer)
      else queueMicrotask(() => answer(null, known))
    },
    disconnect: () => {
      for (const answer of open) process.nextTick(answer, new Error('the session ended'))
    },
  }
  return session as unknown as InspectorSession
}

async function soon(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate)
}

test('a main thread that does not pause in time is let go, and nothing is left that would fail later', async () => {
  const clock = new ManualClock()
  const unhandled: unknown[] = []
  const note = (error: unknown): void => void unhandled.push(error)
  process.on('unhandledRejection', note)
  onTestFinished(() => void process.off('unhandledRejection', note))
  const session = sessionThat((method) => (method === 'Debugger.enable' ? {} : undefined))
  const sampling = sampleMainThread(clock, () => true, session)
  await soon()
  clock.advance(60_000)
  expect(await sampling).toBeUndefined()
  await soon()
  expect(unhandled).toEqual([])
  expect(clock.waiting).toBe(0)
})

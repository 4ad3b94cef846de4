import { afterEach, beforeEach, expect, test } from 'vitest'
import { task, WorkerKit } from '../../test/support/worker-kit.ts'
import type { WorkerOptions } from './options.ts'

let kit: WorkerKit

beforeEach(async () => {
  kit = await new WorkerKit().open()
})
afterEach(() => kit.close())

const run = (): null => null
const tasks = [task(run, { queue: 'mail' }), task(run, { name: 'b', queue: 'images' })]

async function warningsOf(options: WorkerOptions): Promise<string[]> {
  await kit.started(tasks, options)
  return kit.logs.filter(({ level }) => level === 'warn').map(({ text }) => text)
}

test.each([
  [{}],
  [{ queues: ['images'] }],
  [{ queues: ['mail', 'images'], timeouts: { mail: '1m', '*': '1h' } }],
])('nothing is said about %o', async (options) => {
  expect(await warningsOf(options)).toEqual([])
})

test.each([
  [
    'a queue of no task, and the one that was meant',
    { queues: ['mial', 'images'] },
    "'mial'.*mean 'mail'\\?",
  ],
  ['a queue of no task, and which there are', { queues: ['mail', 'videos'] }, "'videos'.*'mail', 'images'"],
  ['a timeout of a queue it does not serve', { timeouts: { image: '1m' } }, "'image'.*mean 'images'\\?"],
  ['one that is a queue of its tasks', { queues: ['mail'], timeouts: { images: 1 } }, "'images'.*are 'mail'"],
])('said once: %s', async (_, options, message) => {
  expect(await warningsOf(options)).toEqual([expect.stringMatching(message)])
})

test('a worker serves a queue of no task nevertheless', async () => {
  await kit.started(tasks, { queues: ['special'] })
  const id = await kit.enqueue({ queue: 'special' })
  await kit.until(async () => (await kit.job(id)).state === 'succeeded')
})

import { beforeEach, expect, test } from 'vitest'
import { MemoryBroker } from '../../brokers/memory/memory.ts'
import { OffstageError } from '../../errors/error.ts'
import { request, specs } from '../../laws/factories.ts'
import type { Row } from './board.ts'
import { unread } from './unread.ts'

let broker: MemoryBroker

beforeEach(async () => {
  broker = new MemoryBroker()
  await broker.open()
})

function row(id: string, token: number): Row {
  return {
    row: 0,
    serial: 1,
    id,
    task: 'a',
    token,
    state: 'waiting',
    started: false,
    limitFrom: 0,
    limitMs: 0,
  }
}

test('finds what a worker holds and does not know of, over several pages', async () => {
  await broker.enqueue([specs(450, 'mine'), specs(20, 'others')])
  const mine = await broker.reserve(request({ worker: 'w', max: 450 }))
  await broker.reserve(request({ worker: 'v', max: 10 }))
  const [known] = mine.jobs
  const found = await unread(broker, 'w', () => [row(known?.id ?? '', known?.token ?? 0)])
  expect(found.map(({ id, token }) => [id, token]).sort()).toEqual(
    mine.jobs
      .slice(1)
      .map(({ id, token }) => [id, token])
      .sort(),
  )
})

test('nothing is found where the loop has read its answers meanwhile', async () => {
  await broker.enqueue([specs(3, 'mine')])
  await broker.reserve(request({ worker: 'w', max: 3 }))
  expect(await unread(broker, 'w', () => undefined)).toEqual([])
})

test('a lease of the same job under another token is another', async () => {
  await broker.enqueue([specs(1, 'mine')])
  const { jobs } = await broker.reserve(request({ worker: 'w' }))
  const [{ id, token } = { id: '', token: 0 }] = jobs
  expect(await unread(broker, 'w', () => [row(id, token - 1)])).toEqual([{ id, token }])
})

test('a broker that keeps no records knows of none; other errors are told', async () => {
  broker.list = () => Promise.reject(new OffstageError('BROKER_UNSUPPORTED', 'no records'))
  expect(await unread(broker, 'w', () => [])).toEqual([])
  broker.list = () => Promise.reject(new OffstageError('BROKER_UNAVAILABLE', 'away'))
  await expect(unread(broker, 'w', () => [])).rejects.toMatchObject({ code: 'BROKER_UNAVAILABLE' })
})

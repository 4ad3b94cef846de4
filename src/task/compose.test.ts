import { describe, expect, test } from 'vitest'
import { aroundEnqueue, aroundRun } from './compose.ts'
import type { EnqueueCall, Execution, Middleware } from './middleware.ts'

const call = (): EnqueueCall => ({ task: 'mail', input: 1, options: {} })

function recording(log: string[], name: string): Middleware {
  return {
    async enqueue(_, next) {
      log.push(`${name} in`)
      await next()
      log.push(`${name} out`)
    },
    async run(_, next) {
      log.push(`${name} in`)
      const result = await next()
      log.push(`${name} out`)
      return `${name}(${String(result)})`
    },
  }
}

describe('enqueueing', () => {
  test('the first registered is the outermost', async () => {
    const log: string[] = []
    const middleware = [recording(log, 'a'), { run: async () => 1 }, recording(log, 'b')]
    await aroundEnqueue(middleware, call(), async () => void log.push('sent'))
    expect(log).toEqual(['a in', 'b in', 'sent', 'b out', 'a out'])
  })

  test('options may be changed on the way', async () => {
    const stamp: Middleware = {
      enqueue(given, next) {
        given.options = { ...given.options, headers: { trace: '1' } }
        return next()
      },
    }
    const sent: unknown[] = []
    await aroundEnqueue([stamp], call(), async ({ options }) => void sent.push(options))
    expect(sent).toEqual([{ headers: { trace: '1' } }])
  })

  test('what one throws reaches the caller, and nothing is sent', async () => {
    const refuse: Middleware = { enqueue: () => Promise.reject(new Error('no')) }
    const send = async (): Promise<void> => expect.unreachable()
    await expect(aroundEnqueue([refuse], call(), send)).rejects.toThrow('no')
  })

  test('next is called once, and not left out', async () => {
    const twice: Middleware = {
      async enqueue(_, next) {
        await next()
        await next()
      },
    }
    const never: Middleware = { enqueue: async () => undefined }
    await expect(aroundEnqueue([twice], call(), async () => undefined)).rejects.toThrow('next() twice')
    await expect(aroundEnqueue([never], call(), async () => undefined)).rejects.toThrow(
      'without calling next()',
    )
  })
})

describe('running', () => {
  const execution = { task: 'mail', input: 1 } as Execution

  test('results pass through all of them', async () => {
    const log: string[] = []
    const result = await aroundRun([recording(log, 'a'), recording(log, 'b')], execution, async () => 'x')
    expect(result).toBe('a(b(x))')
    expect(log).toEqual(['a in', 'b in', 'b out', 'a out'])
  })

  test('one may answer itself, and may not run the handler twice', async () => {
    const cached: Middleware = { run: async () => 'cached' }
    expect(await aroundRun([cached], execution, async () => expect.unreachable())).toBe('cached')
    const twice: Middleware = { run: async (_, next) => [await next(), await next()] }
    await expect(aroundRun([twice], execution, async () => 1)).rejects.toThrow('next() twice')
  })
})

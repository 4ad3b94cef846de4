// `app.offload`: a module's functions in threads, without a queue.
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { type App, codeOf, type Offloaded, offstage, silentLogger } from '../../src/index.ts'
import { until } from './until.ts'

type Functions = typeof import('./functions.ts')

const folder = mkdtempSync(join(tmpdir(), 'offstage-offload-'))
const url = new URL('./functions.ts', import.meta.url)
const app = make()
const functions = app.offload<Functions>(url)
afterAll(async () => {
  await app.close()
  rmSync(folder, { recursive: true, force: true })
})

function make(max = 2): App {
  return offstage({ broker: 'memory:', logger: silentLogger, offload: { max, memory: '128mb' } })
}

const loose = functions as unknown as { readonly [name: string]: (...args: unknown[]) => Promise<unknown> }

async function errorOf(calling: Promise<unknown> | undefined): Promise<unknown> {
  try {
    await calling
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

test('functions of a module answer promises, in other threads', async () => {
  expect(await functions.add(1, 2)).toBe(3)
  expect(await functions.slowly({ x: 1 })).toEqual({
    point: { x: 1 },
    at: new Date(0),
    kinds: new Set(['a']),
  })
  expect(await functions.length(new Uint8Array(5))).toBe(5)
  expect(await functions.thread()).not.toBe(0)
})

test('many calls share the threads', async () => {
  const sums = await Promise.all(Array.from({ length: 500 }, (_, i) => functions.add(i, 1)))
  expect(sums).toEqual(Array.from({ length: 500 }, (_, i) => i + 1))
  const threads = await Promise.all(Array.from({ length: 50 }, () => functions.thread()))
  expect(new Set(threads).size).toBeLessThanOrEqual(2)
})

test('it can be awaited, stringified and kept', async () => {
  expect(await Promise.resolve(functions)).toBe(functions)
  expect(JSON.stringify(functions)).toBe('{}')
  expect(functions.add).toBe(functions.add)
})

describe('errors', () => {
  test('cross over with name, message, code, cause and stack', async () => {
    const error = await errorOf(functions.fail())
    expect(error).toBeInstanceOf(Error)
    const { name, message, code, cause, stack } = error as Error & { code: unknown }
    expect({ name, message, code }).toEqual({ name: 'Broken', message: 'no', code: 11_000 })
    expect(cause).toMatchObject({ name: 'RangeError', message: 'because' })
    expect(stack).toContain('functions.ts')
  })

  test.each([
    ['text', 'text'],
    ['null', null],
  ] as const)('of any kind: %s', async (what, thrown) => {
    expect(await errorOf(functions.failWith(what))).toBe(thrown)
  })

  test('a function that is not exported is said, with those that are', async () => {
    for (const name of ['version', 'none', 'toString', '__proto__', 'constructor']) {
      const error = await errorOf(Promise.resolve(loose[name]?.()))
      expect(codeOf(error), name).toBe('MODULE_INVALID')
      expect((error as Error).message).toContain(`'${name}'`)
      expect((error as Error).message).toContain("'add'")
    }
  })

  test.each([
    ['an argument', () => loose.identity?.(() => 1)],
    ['an argument', () => loose.identity?.({ deep: [Symbol('x')] })],
    ['an argument', () => loose.identity?.(Promise.resolve())],
    ['the result', () => loose.closure?.()],
  ])('%s that cannot be cloned', async (what, call) => {
    const error = await errorOf(call())
    expect(codeOf(error)).toBe('NOT_CLONEABLE')
    expect((error as Error).message).toContain(what)
    expect(await functions.add(1, 1)).toBe(2)
  })

  test('a module that is not there, or throws when it is imported', async () => {
    const none = app.offload<Functions>(new URL('./none.ts', import.meta.url))
    expect(await errorOf(none.add(1, 2))).toMatchObject({ code: 'MODULE_FAILED' })
    const throws = app.offload<Functions>(new URL('./throws.ts', import.meta.url))
    const error = await errorOf(throws.add(1, 2))
    expect(error).toMatchObject({ code: 'MODULE_FAILED', cause: { message: 'no import of this' } })
    expect(await functions.add(1, 1)).toBe(2)
  })

  test('a crash is the end of that call', async () => {
    const [gone, sum] = await Promise.allSettled([functions.exit(), functions.add(1, 2)])
    expect(gone).toMatchObject({ reason: { code: 'EXECUTOR_CRASHED', message: /code 4/ } })
    expect(sum).toMatchObject({ value: 3 })
    expect(await functions.add(1, 1)).toBe(2)
  })

  test.each([
    [() => app.offload('./functions.ts'), /file: URL/],
    [() => app.offload('https://example.org/x.js'), /file: URL/],
    [() => app.offload(url, { timeout: 0 }), /timeout is 0/],
    [() => app.offload(url, { time: 1 } as never), /did you mean 'timeout'/],
    [() => app.offload(url, { signal: {} as never }), /AbortSignal/],
    [() => offstage({ offload: { max: 0 } }), /offload\.max is 0/],
    [() => offstage({ offload: { memory: '1mb' } }), /offload\.memory is '1mb'.*16 MB/],
    [() => offstage({ offload: { memory: 'much' } }), /offload\.memory is 'much'/],
  ])('a wrong option is said: %s', (use, message) => {
    expect(use).toThrow(message)
  })
})

test('a timeout ends the thread', async () => {
  const file = join(folder, 'timeout')
  const bounded = app.offload<Functions>(url, { timeout: '300ms' })
  expect(await errorOf(bounded.spin(file))).toMatchObject({ code: 'OFFLOAD_TIMEOUT' })
  expect(await functions.add(1, 1)).toBe(2)
})

test('a signal ends the thread, and what waits for one', async () => {
  const alone = make(1)
  const ending = new AbortController()
  const bounded = alone.offload<Functions>(url, { signal: ending.signal })
  const file = join(folder, 'signal')
  const calls = [errorOf(bounded.spin(file)), errorOf(bounded.add(1, 2))]
  await until('it runs', () => existsSync(file))
  ending.abort(new Error('enough'))
  for (const error of await Promise.all(calls)) expect(error).toMatchObject({ message: 'enough' })
  expect(await errorOf(bounded.add(1, 2))).toMatchObject({ message: 'enough' })
  expect(await alone.offload<Functions>(url).add(1, 2)).toBe(3)
  await alone.close()
})

test('close waits for calls under way, and then nothing may be called', async () => {
  const closing = make()
  const all: Offloaded<Functions> = closing.offload<Functions>(url)
  const sum = all.add(1, 2)
  await closing.close()
  expect(await sum).toBe(3)
  expect(codeOf(await errorOf(all.add(1, 2)))).toBe('APP_CLOSED')
})

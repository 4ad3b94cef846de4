// Types of tasks in threads, and of offloaded functions, wrong uses included.
import { type App, type Offloaded, offstage, type Task } from 'offstage'
import { expect, expectTypeOf, test } from 'vitest'
import type { Point } from '../executors/functions.ts'

const app: App = offstage({ broker: 'memory:', offload: { max: 2, memory: '512mb' } })
const url = new URL('../executors/functions.ts', import.meta.url)

/** Checked by the compiler, never run. */
function never(_use: () => unknown): void {}

test('the functions of a module, and nothing else of it', () => {
  const functions = app.offload<typeof import('../executors/functions.ts')>(url, { timeout: '5s' })
  expectTypeOf(functions.add).toEqualTypeOf<(a: number, b: number) => Promise<number>>()
  expectTypeOf(functions.slowly).toEqualTypeOf<
    (point: Point) => Promise<{ point: Point; at: Date; kinds: Set<string> }>
  >()
  expectTypeOf(functions.fail).toEqualTypeOf<() => Promise<never>>()
  expectTypeOf<keyof typeof functions>().toEqualTypeOf<
    'add' | 'slowly' | 'identity' | 'length' | 'thread' | 'fail' | 'failWith' | 'closure' | 'exit' | 'spin'
  >()
  never(() => {
    // @ts-expect-error a value, not a function
    functions.version
    // @ts-expect-error a class
    functions.Shape
    // @ts-expect-error not exported
    functions.none()
    // @ts-expect-error a text is no number
    functions.add('1', 2)
    // @ts-expect-error one argument is missing
    functions.add(1)
  })
  expect(functions).toBeDefined()
})

test('without the type of a module nothing can be called', () => {
  const functions = app.offload(url)
  expectTypeOf(functions).toEqualTypeOf<Offloaded<object>>()
  // @ts-expect-error nothing is known of the module
  never(() => functions.add(1, 2))
  expect(functions).toBeDefined()
})

test('where a task runs changes nothing of its types', () => {
  const task = app.task({
    name: 'hash',
    runIn: 'thread',
    module: import.meta.url,
    run: (input: string) => ({ length: input.length }),
  })
  expectTypeOf(task).toEqualTypeOf<Task<string, { length: number }>>()
  const defined = app.define({ name: 'defined' })
  expectTypeOf(app.implement(defined, () => 1, { runIn: 'process', module: url })).toMatchTypeOf<Task>()
  never(() => {
    // @ts-expect-error no such place
    app.task({ name: 'a', runIn: 'fork', run: () => 1 })
    // @ts-expect-error what producers need says nothing of where it runs
    app.define({ name: 'a', runIn: 'thread' })
    app.worker({ threads: { max: 2, memory: '512mb' }, processes: { max: 1 } })
    // @ts-expect-error no such option
    app.worker({ threads: { maximum: 2 } })
  })
  expect(task.name).toBe('hash')
})

// Types of tasks that run many jobs at once. `tsc` checks this file; running it proves that what is written here also
// works.
import { type BatchContext, type BatchItem, NonRetryable, offstage, type Task, type } from 'offstage'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'

const app = offstage({ broker: 'memory:' })

/** Checked by the compiler, never run. */
function never(_use: () => unknown): void {}

describe('input and result are inferred', () => {
  test('from a schema and the answers', () => {
    const task = app.task({
      name: 'mail',
      input: z.object({ to: z.string(), at: z.coerce.date() }),
      unique: { by: ({ at }) => at.toISOString() },
      batch: { size: 100, within: '50ms' },
      async runBatch(items, ctx) {
        expectTypeOf(items).toEqualTypeOf<readonly BatchItem<{ to: string; at: Date }>[]>()
        expectTypeOf(ctx).toEqualTypeOf<BatchContext>()
        return items.map(({ input }) => ({ sent: input.at }))
      },
    })
    expectTypeOf(task).toEqualTypeOf<Task<{ to: string; at: unknown }, { sent: string }>>()
  })

  test('errors of any kind are no results', () => {
    class Refused extends Error {
      readonly address = ''
    }
    const task = app.task({
      name: 'errors',
      input: type<{ to: string }>(),
      batch: { size: 10 },
      runBatch: (items) =>
        items.map(({ input, job }) => {
          if (job.attempt > 1) return new NonRetryable('no')
          if (input.to === '') return new Refused()
          return input.to === 'x' ? new Error('x') : { id: input.to }
        }),
    })
    expectTypeOf(task).toEqualTypeOf<Task<{ to: string }, { id: string }>>()
    const settled = app.task({
      name: 'settled',
      batch: { size: 10 },
      runBatch: (items: readonly BatchItem<number>[]) =>
        Promise.all(
          items.map(async ({ input }) => input + 1).map((one) => one.catch((error: Error) => error)),
        ),
    })
    expectTypeOf(settled).toEqualTypeOf<Task<number, number>>()
  })

  test('a result may have the fields of an error', () => {
    const task = app.task({
      name: 'like-an-error',
      output: type<{ name: string; message: string; n: number }>(),
      batch: { size: 10 },
      runBatch: (items) => items.map((_, n) => ({ name: 'a', message: 'b', n })),
    })
    const check = task.job('x').result
    expectTypeOf(check).returns.resolves.not.toBeNever()
  })

  test('with no results at all', () => {
    const task = app.task({
      name: 'nothing',
      batch: { size: 10 },
      runBatch: (items: readonly BatchItem<string>[]) => items.map(() => undefined),
    })
    expectTypeOf(task).toEqualTypeOf<Task<string, undefined>>()
  })

  test('an output schema gives the result, and keeps literals', () => {
    const task = app.task({
      name: 'output',
      runBatch: async (items) =>
        items.map((_, i) => (i === 0 ? { state: 'yes' } : { state: 'no', why: new Date() })),
      output: z.discriminatedUnion('state', [
        z.object({ state: z.literal('yes') }),
        z.object({ state: z.literal('no'), why: z.date() }),
      ]),
      batch: { size: 10 },
    })
    expectTypeOf(task).toEqualTypeOf<Task<unknown, { state: 'yes' } | { state: 'no'; why: string }>>()
  })

  test('an implementation', () => {
    const defined = app.define({
      name: 'defined',
      input: z.object({ at: z.coerce.date() }),
      output: z.object({ id: z.number() }),
    })
    const task = app.implement(
      defined,
      {
        batch: { size: 10, within: 5 },
        runBatch(items, { signal, size, clock }) {
          expectTypeOf(items).toEqualTypeOf<readonly BatchItem<{ at: Date }>[]>()
          expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
          const id = size + clock.now()
          return items.map(({ input }) => (input.at.getTime() > 0 ? { id } : new NonRetryable('old')))
        },
      },
      { timeout: '5s' },
    )
    expectTypeOf(task).toEqualTypeOf<Task<{ at: unknown }, { id: number }>>()
    const single = app.implement(defined, ({ at }) => ({ id: at.getTime() }))
    expectTypeOf(single).toEqualTypeOf<typeof task>()
  })
})

describe('wrong uses do not compile', () => {
  test('of a task', () => {
    never(() => {
      // @ts-expect-error neither run nor runBatch
      app.task({ name: 'x' })
      // @ts-expect-error runBatch without batch
      app.task({ name: 'x', runBatch: () => [] })
      // @ts-expect-error batch without runBatch
      app.task({ name: 'x', batch: { size: 1 } })
      // @ts-expect-error both
      app.task({ name: 'x', run: () => 1, batch: { size: 1 }, runBatch: () => [] })
      // @ts-expect-error a batch has a size
      app.task({ name: 'x', batch: {}, runBatch: () => [] })
      // @ts-expect-error the answer is a list
      app.task({ name: 'x', batch: { size: 1 }, runBatch: () => 1 })
      app.task({
        name: 'x',
        output: z.object({ id: z.number() }),
        batch: { size: 1 },
        // @ts-expect-error the ids are numbers
        runBatch: (items) => items.map(() => ({ id: 'a' })),
      })
      const defined = app.define({ name: 'x', output: type<number>() })
      // @ts-expect-error the answers are numbers
      app.implement(defined, { batch: { size: 1 }, runBatch: () => ['a'] })
      // @ts-expect-error no size
      app.implement(defined, { runBatch: () => [1] })
    })
    expect(app.tasks.map(({ name }) => name)).toContain('defined')
  })
})

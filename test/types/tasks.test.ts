// Types from the schema to the result, wrong uses included. `tsc` checks this file; running it proves that what is
// written here also works.
import { type as ark } from 'arktype'
import {
  type AnyTask,
  type Call,
  type JobHandle,
  type JobOptions,
  type Jsonify,
  offstage,
  type Task,
  type TaskContext,
  type TaskOptions,
  type,
} from 'offstage'
import * as v from 'valibot'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'

const app = offstage({ broker: 'memory:' })

/** Checked by the compiler, never run. */
function never(_use: () => unknown): void {}

describe('input and result are inferred', () => {
  test('with zod: the input form for callers, the parsed form for the handler', () => {
    const task = app.task({
      name: 'zod',
      input: z.object({ to: z.email(), at: z.coerce.date(), tries: z.number().default(3) }),
      run(input, ctx) {
        expectTypeOf(input).toEqualTypeOf<{ to: string; at: Date; tries: number }>()
        expectTypeOf(ctx).toEqualTypeOf<TaskContext>()
        return { sent: input.tries }
      },
    })
    expectTypeOf(task).toEqualTypeOf<
      Task<{ to: string; at: unknown; tries?: number | undefined }, { sent: number }>
    >()
  })

  test('with valibot', () => {
    const task = app.task({
      name: 'valibot',
      input: v.object({
        count: v.pipe(
          v.string(),
          v.transform((text) => text.length),
        ),
      }),
      run: async ({ count }) => {
        expectTypeOf(count).toEqualTypeOf<number>()
        return count
      },
    })
    expectTypeOf(task).toEqualTypeOf<Task<{ count: string }, number>>()
  })

  test('with arktype', () => {
    const task = app.task({
      name: 'arktype',
      input: ark({ name: 'string', age: 'number', 'nick?': 'string' }),
      run: (input) => {
        expectTypeOf(input).toEqualTypeOf<{ name: string; age: number; nick?: string }>()
        return input.name
      },
    })
    expectTypeOf(task).toEqualTypeOf<Task<{ name: string; age: number; nick?: string }, string>>()
  })

  test('with types alone', () => {
    const task = app.task({
      name: 'types',
      input: type<{ to: string }>(),
      output: type<{ id: number }>(),
      run: ({ to }) => ({ id: to.length }),
    })
    expectTypeOf(task).toEqualTypeOf<Task<{ to: string }, { id: number }>>()
  })

  test('with no schema: from the handler', () => {
    const task = app.task({ name: 'handler', run: async (input: { a: number }, _ctx) => input.a > 0 })
    expectTypeOf(task).toEqualTypeOf<Task<{ a: number }, boolean>>()
    const method = app.task({
      name: 'method',
      async run({ a }: { a: string }, ctx) {
        expectTypeOf(ctx.signal).toEqualTypeOf<AbortSignal>()
        return [a]
      },
    })
    expectTypeOf(method).toEqualTypeOf<Task<{ a: string }, string[]>>()
  })

  test('with nothing at all', () => {
    const task = app.task({ name: 'nothing', run: () => 1 })
    expectTypeOf(task).toEqualTypeOf<Task<unknown, number>>()
    expectTypeOf(task.enqueue).toBeCallableWith()
    expectTypeOf(task.enqueue).toBeCallableWith(undefined, { priority: 1 })
    const silent = app.task({ name: 'silent', async run() {} })
    expectTypeOf(silent).toEqualTypeOf<Task<unknown, undefined>>()
    const untyped = app.task({
      name: 'untyped',
      run(input) {
        expectTypeOf(input).toEqualTypeOf<unknown>()
      },
    })
    expectTypeOf(untyped).toEqualTypeOf<Task<unknown, undefined>>()
  })

  test('in any order of properties', () => {
    const first = app.task({
      async run(input, ctx) {
        expectTypeOf(input).toEqualTypeOf<{ n: number }>()
        expectTypeOf(ctx.job.attempt).toEqualTypeOf<number>()
        return { double: input.n * 2 }
      },
      unique: {
        by: (input) => {
          expectTypeOf(input).toEqualTypeOf<{ n: number }>()
          return String(input.n)
        },
      },
      name: 'order-1',
      input: z.object({ n: z.number() }),
    })
    const second = app.task({
      search: (input) => ({ n: String(input.n) }),
      partition: { limit: { rate: '1/s' }, by: ({ n }) => String(n) },
      output: z.object({ double: z.number() }),
      run: ({ n }) => ({ double: n * 2 }),
      input: z.object({ n: z.number() }),
      name: 'order-2',
    })
    expectTypeOf(first).toEqualTypeOf<Task<{ n: number }, { double: number }>>()
    expectTypeOf(second).toEqualTypeOf<Task<{ n: number }, { double: number }>>()
  })

  test('keys are made of the parsed form, also without a schema', () => {
    app.task({
      name: 'keys',
      input: z.object({ at: z.coerce.date() }),
      unique: { by: ({ at }) => at.toISOString() },
      partition: { by: ({ at }) => (at.getTime() > 0 ? 'late' : undefined) },
      run: ({ at }) => at.getTime(),
    })
    app.task({
      name: 'keys-of-handler',
      unique: { by: (input) => input.to },
      run: (input: { to: string }) => input.to,
    })
    expect(app.tasks.some(({ name }) => name === 'keys')).toBe(true)
  })

  test('an output schema gives the result, with its transforms', () => {
    const task = app.task({
      name: 'output',
      output: z.object({ id: z.number().transform(String), kind: z.literal('a') }),
      run: (_input) => ({ id: 1, kind: 'a' }),
    })
    expectTypeOf(task).toEqualTypeOf<Task<unknown, { id: string; kind: 'a' }>>()
    const literal = app.task({
      name: 'output-union',
      input: z.object({ ok: z.boolean() }),
      output: z.discriminatedUnion('state', [
        z.object({ state: z.literal('yes') }),
        z.object({ state: z.literal('no'), why: z.string() }),
      ]),
      run: async ({ ok }) => (ok ? { state: 'yes' } : { state: 'no', why: 'not' }),
    })
    expectTypeOf(literal).toEqualTypeOf<
      Task<{ ok: boolean }, { state: 'yes' } | { state: 'no'; why: string }>
    >()
  })

  test('primitives, optional inputs, unions and arrays as inputs', () => {
    const text = app.task({ name: 'text', input: z.string(), run: (s) => s.length })
    expectTypeOf(text).toEqualTypeOf<Task<string, number>>()
    const optional = app.task({ name: 'optional', input: z.string().optional(), run: (s) => s ?? '' })
    expectTypeOf(optional.enqueue).toBeCallableWith()
    expectTypeOf(optional.enqueue).toBeCallableWith('a', { delay: 5 })
    const union = app.task({ name: 'union', input: z.union([z.string(), z.number()]), run: (s) => s })
    expectTypeOf(union).toEqualTypeOf<Task<string | number, string | number>>()
    const list = app.task({ name: 'list', run: (items: readonly string[]) => items.length })
    expectTypeOf(list).toEqualTypeOf<Task<readonly string[], number>>()
  })
})

describe('results come back from JSON', () => {
  class Money {
    readonly amount = 1
    toText(): string {
      return `${this.amount}`
    }
  }
  interface Tree {
    at: Date
    children: Tree[]
  }
  interface JsonTree {
    at: string
    children: JsonTree[]
  }

  test('Jsonify', () => {
    expectTypeOf<Jsonify<string>>().toEqualTypeOf<string>()
    expectTypeOf<Jsonify<'a' | 1 | true | null>>().toEqualTypeOf<'a' | 1 | true | null>()
    expectTypeOf<Jsonify<Date>>().toEqualTypeOf<string>()
    expectTypeOf<Jsonify<{ at: Date; of: Date[] }>>().toEqualTypeOf<{ at: string; of: string[] }>()
    expectTypeOf<Jsonify<{ a?: number; b: string | undefined; c: undefined }>>().toEqualTypeOf<{
      a?: number
      b?: string
    }>()
    expectTypeOf<Jsonify<{ a: () => void; [Symbol.iterator]: 1; b: 1 }>>().toEqualTypeOf<{ b: 1 }>()
    expectTypeOf<Jsonify<Map<string, Date>>>().toEqualTypeOf<{ [key: string]: never }>()
    expectTypeOf<Jsonify<Set<string> | number>>().toEqualTypeOf<{ [key: string]: never } | number>()
    expectTypeOf<Jsonify<[Date, undefined, number?]>>().toEqualTypeOf<[string, null, (number | null)?]>()
    expectTypeOf<Jsonify<readonly (Date | undefined)[]>>().toEqualTypeOf<readonly (string | null)[]>()
    expectTypeOf<Jsonify<Money>>().toEqualTypeOf<{ readonly amount: 1 }>()
    expectTypeOf<Jsonify<URL>>().toEqualTypeOf<string>()
    expectTypeOf<Jsonify<{ [key: string]: Date }>>().toEqualTypeOf<{ [key: string]: string }>()
    expectTypeOf<Jsonify<unknown>>().toEqualTypeOf<unknown>()
    expectTypeOf<Jsonify<{ a: unknown }>>().toEqualTypeOf<{ a: unknown }>()
    expectTypeOf<Jsonify<void>>().toEqualTypeOf<undefined>()
    expectTypeOf<Jsonify<bigint>>().toEqualTypeOf<never>()
    expectTypeOf<Jsonify<Tree>['children'][number]['at']>().toEqualTypeOf<string>()
    expectTypeOf<Jsonify<Tree>>().toExtend<JsonTree>()
  })

  test('a handle is typed so', () => {
    const task = app.task({
      name: 'when',
      run: () => ({ at: new Date(), note: undefined as string | undefined }),
    })
    expectTypeOf(task.job('x')).toEqualTypeOf<JobHandle<{ at: string; note?: string }>>()
    expectTypeOf(task.job('x').result).returns.resolves.toEqualTypeOf<{ at: string; note?: string }>()
    expectTypeOf(task.enqueueMany).returns.resolves.toEqualTypeOf<
      JobHandle<{ at: string; note?: string }>[]
    >()
    expectTypeOf(app.job('x').result).returns.resolves.toEqualTypeOf<unknown>()
  })
})

describe('tasks and calls together', () => {
  const mail = app.task({ name: 'mail', input: z.object({ to: z.string() }), run: () => ({ id: 'm' }) })
  const image = app.task({ name: 'image', run: (input: { width: number }) => input.width })

  test('lists of tasks need no any', () => {
    const tasks: readonly AnyTask[] = [mail, image]
    expect(tasks.map(({ name }) => name)).toEqual(['mail', 'image'])
    expectTypeOf(app.worker).toBeCallableWith({ tasks: [mail, image] })
    expectTypeOf(app.worker).toBeCallableWith({ tasks: { mail, image, other: 1 } })
  })

  test('a task fits where less of its result is asked for', () => {
    const wider: Task<{ to: string }, unknown> = mail
    const handle: JobHandle<unknown> = mail.job('x')
    const call: Call = mail.with({ to: 'a' })
    expect([wider.name, handle.id, call.task]).toEqual(['mail', 'x', 'mail'])
    never(() => {
      // @ts-expect-error a task that takes another input does not fit
      const wrong: Task<{ width: number }, unknown> = mail
      return wrong
    })
  })

  test('several calls of several tasks answer a handle each', () => {
    expectTypeOf(mail.with({ to: 'a' })).toEqualTypeOf<Call<{ id: string }>>()
    const both = () => app.enqueue([mail.with({ to: 'a' }), image.with({ width: 1 }, { priority: 2 })])
    expectTypeOf(both).returns.resolves.toEqualTypeOf<[JobHandle<{ id: string }>, JobHandle<number>]>()
    const many = (calls: Call<number>[]) => app.enqueue(calls)
    expectTypeOf(many).returns.resolves.toEqualTypeOf<JobHandle<number>[]>()
  })

  test('define and implement share their types', () => {
    const defined = app.define({
      name: 'defined',
      input: z.object({ at: z.coerce.date() }),
      output: z.object({ id: z.number() }),
      partition: { by: ({ at }) => at.toISOString() },
    })
    expectTypeOf(defined.job('x')).toEqualTypeOf<JobHandle<{ id: number }>>()
    const implemented = app.implement(
      defined,
      async ({ at }, ctx) => {
        expectTypeOf(at).toEqualTypeOf<Date>()
        expectTypeOf(ctx).toEqualTypeOf<TaskContext>()
        return { id: at.getTime() }
      },
      { timeout: '5s', limit: { concurrency: 2 } },
    )
    expectTypeOf(implemented).toEqualTypeOf<Task<{ at: unknown }, { id: number }>>()
    const tasks: readonly AnyTask[] = [defined, implemented]
    expect(tasks).toHaveLength(2)
    never(() => {
      // @ts-expect-error the handler returns no id
      app.implement(defined, () => ({ name: 'x' }))
      // @ts-expect-error the handler wants a string where the schema gives a Date
      app.implement(defined, (input: { at: string }) => ({ id: input.at.length }))
      // @ts-expect-error priority belongs to the definition
      app.implement(defined, () => ({ id: 1 }), { priority: 1 })
    })
  })

  test('options may be undefined', () => {
    const delay: string | undefined = undefined
    const options: JobOptions = { delay, id: undefined, priority: undefined, runAt: new Date() }
    expectTypeOf(mail.enqueue).toBeCallableWith({ to: 'a' }, options)
    expectTypeOf(mail.enqueueMany).toBeCallableWith([{ to: 'a' }], (input: { to: string }, i: number) => ({
      id: `${input.to}${i}`,
    }))
    const whole: TaskOptions<unknown, unknown, unknown, number, number> = {
      name: 'whole',
      input: undefined,
      timeout: undefined,
      unique: { by: undefined },
      run: () => 1,
    }
    expectTypeOf(app.task(whole)).toEqualTypeOf<Task<unknown, number>>()
  })
})

describe('wrong uses do not compile', () => {
  const mail = app.task({
    name: 'wrong-mail',
    input: z.object({ to: z.string(), copies: z.number().optional() }),
    run: ({ to }) => ({ id: to }),
  })

  test('of a task', () => {
    never(() => {
      // @ts-expect-error the input lacks `to`
      mail.enqueue({})
      // @ts-expect-error `to` is a string
      mail.enqueue({ to: 1 })
      // @ts-expect-error there is no `cc`
      mail.enqueue({ to: 'a', cc: 'b' })
      // @ts-expect-error the input is missing
      mail.enqueue()
      // @ts-expect-error there is no option `prio`
      mail.enqueue({ to: 'a' }, { prio: 1 })
      // @ts-expect-error a priority is a number
      mail.enqueue({ to: 'a' }, { priority: 'high' })
      // @ts-expect-error the second input lacks `to`
      mail.enqueueMany([{ to: 'a' }, {}])
      // @ts-expect-error there is no option `prio`
      mail.enqueueMany([{ to: 'a' }], { prio: 1 })
      // @ts-expect-error `to` is a string
      mail.with({ to: null })
      // @ts-expect-error a task is no call
      app.enqueue([mail])
      // @ts-expect-error no one can enqueue what takes anything of a list
      const list: readonly AnyTask[] = [mail].map((task): AnyTask => task).map((task) => task.enqueue({}))
      return list
    })
    expect(mail.name).toBe('wrong-mail')
  })

  test('of the app and its workers', () => {
    never(() => {
      // @ts-expect-error there is no option `brokers`
      offstage({ brokers: 'memory:' })
      // @ts-expect-error a broker is a URL or an object with the calls of one
      offstage({ broker: { open: () => Promise.resolve() } })
      // @ts-expect-error there is no option `concurency`
      app.worker({ concurency: 5 })
      // @ts-expect-error names are no tasks
      app.worker({ tasks: ['mail'] })
      // @ts-expect-error there is no option `wait`
      app.job('x').result({ wait: '1m' })
      // @ts-expect-error there is no state `done`
      app.jobs.list({ states: ['done'] })
    })
    expect(app.jobs).toBeDefined()
  })

  test('of the result', () => {
    never(async () => {
      const result = await mail.job('x').result()
      // @ts-expect-error the result has no `name`
      result.name
      // @ts-expect-error the id is a string
      const id: number = result.id
      return id
    })
    expect(mail.queue).toBe('default')
  })

  test('of the definition', () => {
    never(() => {
      // @ts-expect-error there is no option `queu`
      app.task({ name: 'x', queu: 'mail', run: () => 1 })
      // @ts-expect-error a task has a handler
      app.task({ name: 'x' })
      // @ts-expect-error a task has a name
      app.task({ run: () => 1 })
      // @ts-expect-error a schema is no plain object
      app.task({ name: 'x', input: { to: 'string' }, run: () => 1 })
      // @ts-expect-error a definition has no handler
      app.define({ name: 'x', run: () => 1 })
      app.task({
        name: 'x',
        output: z.object({ id: z.number() }),
        // @ts-expect-error the id is a number
        run: () => ({ id: 'a' }),
      })
      app.task({
        name: 'x',
        output: z.object({ id: z.number() }),
        // @ts-expect-error the id is missing
        run: async () => ({}),
      })
      app.task({
        // @ts-expect-error the schema gives a string where the handler wants a number
        input: z.object({ to: z.string() }),
        name: 'x',
        run: (input: { to: number }) => input.to,
      })
      app.task({
        name: 'x',
        input: z.object({ to: z.string() }),
        // @ts-expect-error the input has no `from`
        unique: { by: (input) => input.from },
        run: () => 1,
      })
      app.task({
        name: 'x',
        input: z.object({ to: z.string() }),
        // @ts-expect-error a key is a string
        partition: { by: (input) => input.to.length },
        run: () => 1,
      })
      app.task({
        name: 'x',
        input: z.object({ to: z.string() }),
        run(input, ctx) {
          // @ts-expect-error the input has no `from`
          input.from
          // @ts-expect-error the context has no `jobs`
          ctx.jobs
          // @ts-expect-error the attempt is read only
          ctx.job.attempt = 2
        },
      })
    })
    expect(app.tasks.some(({ name }) => name === 'x')).toBe(false)
  })
})

// A call: a task with its input and options, not yet enqueued. What groups, and later workflows, are made of.
import { type Definition, definitionOf } from './definition.ts'
import type { JobOptions } from './options.ts'

declare const outputOf: unique symbol

/** Made by `task.with(input, options)`. `Out` is what the caller reads as its result. */
export interface Call<Out = unknown> {
  readonly task: string
  readonly input: unknown
  readonly options: JobOptions | undefined
  readonly [definitionOf]: Definition
  /** In the types only. */
  readonly [outputOf]?: Out
}

export function makeCall<Out>(
  definition: Definition,
  input: unknown,
  options: JobOptions | undefined,
): Call<Out> {
  return { task: definition.name, input, options, [definitionOf]: definition }
}

export function isCall(value: unknown): value is Call {
  return typeof value === 'object' && value !== null && definitionOf in value && 'input' in value
}

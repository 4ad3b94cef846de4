// Schemas at both ends of a task: any library that speaks Standard Schema v1, or types without checks.
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { ErrorCode } from '../errors/codes.ts'
import { OffstageError } from '../errors/error.ts'
import { formatPath } from '../job/json.ts'
import { isThenable } from './check.ts'

export type Schema<In = unknown, Out = In> = StandardSchemaV1<In, Out>

const VENDOR = 'offstage'

/** A schema that checks nothing: types alone, for `app.task({ input: type<{ to: string }>(), … })`. */
export function type<T>(): Schema<T, T> {
  return { '~standard': { version: 1, vendor: VENDOR, validate: (value) => ({ value: value as T }) } }
}

/** What is used of a schema; undefined where there is nothing to check. */
export type Validate = (value: unknown) => unknown

export interface SchemaUse {
  readonly code: Extract<ErrorCode, 'INPUT_INVALID' | 'OUTPUT_INVALID'>
  /** `input` or `output`: the start of each path. */
  readonly name: 'input' | 'output'
  readonly task: string
}

/**
 * A function from a value to its parsed form, or to a promise of it where the schema is asynchronous.
 *
 * @throws OPTION_INVALID for what is no Standard Schema; the function throws, or rejects with, INPUT_INVALID or
 * OUTPUT_INVALID
 */
export function validator(schema: unknown, use: SchemaUse): Validate | undefined {
  if (schema === undefined) return undefined
  const standard = standardOf(schema)
  if (standard === undefined) {
    throw new OffstageError(
      'OPTION_INVALID',
      `${use.name} of task '${use.task}' is no Standard Schema; use zod, valibot, arktype or another library that speaks it, or type<T>()`,
      { details: { path: use.name } },
    )
  }
  if (standard.vendor === VENDOR) return undefined
  return (value) => {
    // Called on the property, since some libraries rely on `this`.
    const result = standard.validate(value)
    // A promise of the library's own kind, or of another realm, is made one of ours: callers tell it by its class.
    return isThenable(result)
      ? Promise.resolve(result).then((settled) => accept(settled, use))
      : accept(result, use)
  }
}

function standardOf(schema: unknown): StandardSchemaV1.Props<unknown, unknown> | undefined {
  if ((typeof schema !== 'object' && typeof schema !== 'function') || schema === null) return undefined
  const standard = (schema as { '~standard'?: unknown })['~standard']
  if (typeof standard !== 'object' || standard === null) return undefined
  const { version, validate } = standard as { version?: unknown; validate?: unknown }
  if (version !== 1 || typeof validate !== 'function') return undefined
  return standard as StandardSchemaV1.Props<unknown, unknown>
}

function accept(result: StandardSchemaV1.Result<unknown>, use: SchemaUse): unknown {
  if (result.issues === undefined) return result.value
  const issues = result.issues.map((issue) => ({ path: pathOf(issue, use.name), message: issue.message }))
  const shown = issues.slice(0, 5).map(({ path, message }) => `${path}: ${message}`)
  const rest = issues.length > 5 ? `; and ${issues.length - 5} more` : ''
  throw new OffstageError(
    use.code,
    `the ${use.name} of task '${use.task}' does not match its schema: ${shown.join('; ')}${rest}`,
    { details: { task: use.task, issues: issues.slice(0, 50) } },
  )
}

function pathOf(issue: StandardSchemaV1.Issue, name: string): string {
  const steps = (issue.path ?? []).map((step) => {
    const key = typeof step === 'object' ? step.key : step
    return typeof key === 'number' ? key : String(key)
  })
  return formatPath(name, steps)
}

// What JSON can carry. A value is refused where JSON would lose or change it, with the path of the place, so that a
// handler gets what was sent or nothing.
import { OffstageError } from '../errors/error.ts'

/** Objects and arrays within one another. Deeper values are refused; so are cycles, which have no end. */
export const MAX_DEPTH = 256

/**
 * `same`: the value reads back from JSON as it is. `dropped`: it reads back without properties that are `undefined`,
 * and equal otherwise.
 */
export type JsonCheck = 'same' | 'dropped'

interface Problem {
  /** From the outermost to the place itself. */
  readonly path: (string | number)[]
  readonly text: string
}

/**
 * Checks that JSON carries the value unchanged, apart from object properties that are `undefined`, which it drops.
 * What JSON never sees is not seen here either: keys that are symbols, and properties of an array beside its items.
 * -0 reads back as 0, which equals it.
 *
 * @param name what the value is called, the start of the path in the message: `input` gives `input.items[3].at`
 * @throws NOT_JSON for a BigInt, function, symbol, NaN, Infinity, `undefined` in an array, a Date, Map, Set or another
 * class instance, a cycle, and nesting deeper than 256
 */
export function checkJson(value: unknown, name: string): JsonCheck {
  if (value === undefined) return 'same'
  const found = check(value, 0)
  if (found === SAME) return 'same'
  if (found === DROPPED) return 'dropped'
  throw notJson(name, found, value)
}

/**
 * Checks that JSON has a form for the value whose type tells what became of it: a Date becomes a string, functions and
 * `undefined` go, a class instance becomes its own properties. For results, which callers read as `Jsonify<T>`.
 *
 * @throws NOT_JSON for what cannot be written (a BigInt, a cycle, nesting deeper than 256), for a lone function or
 * symbol, and for NaN and Infinity, which JSON would turn into null behind the type's back
 */
export function checkSerialisable(value: unknown, name: string): void {
  if (value === undefined) return
  if (typeof value === 'function' || typeof value === 'symbol') {
    throw notJson(name, { path: [], text: describe(value) }, value)
  }
  const found = checkLoose(value, '', 0)
  if (found !== undefined) throw notJson(name, found, value)
}

/** `input`, `['items', 3, 'at']` as `input.items[3].at`. */
export function formatPath(name: string, path: readonly (string | number)[]): string {
  let text = name
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else text += /^[A-Za-z_$][\w$]*$/.test(step) ? `.${step}` : `[${JSON.stringify(step.slice(0, 80))}]`
  }
  return text
}

const SAME = 1
const DROPPED = 2

/** SAME or DROPPED, which cost nothing, or the first problem; its path is put together on the way out only. */
function check(value: unknown, depth: number): typeof SAME | typeof DROPPED | Problem {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return SAME
    case 'number':
      return Number.isFinite(value) ? SAME : { path: [], text: describe(value) }
    case 'object':
      if (value === null) return SAME
      if (depth >= MAX_DEPTH) return { path: [], text: TOO_DEEP }
      return Array.isArray(value) ? checkArray(value, depth) : checkObject(value, depth)
    default:
      return { path: [], text: describe(value) }
  }
}

function checkArray(value: readonly unknown[], depth: number): typeof SAME | typeof DROPPED | Problem {
  if (hasToJson(value)) return { path: [], text: describe(value) }
  let answer: typeof SAME | typeof DROPPED = SAME
  for (let i = 0; i < value.length; i++) {
    const found = check(value[i], depth + 1)
    if (found === DROPPED) answer = DROPPED
    else if (found !== SAME) return within(i, found)
  }
  return answer
}

function checkObject(value: object, depth: number): typeof SAME | typeof DROPPED | Problem {
  if (!isPlain(value) || hasToJson(value)) return { path: [], text: describe(value) }
  let answer: typeof SAME | typeof DROPPED = SAME
  for (const key of Object.keys(value)) {
    const member = (value as { readonly [key: string]: unknown })[key]
    if (member === undefined) {
      answer = DROPPED
      continue
    }
    const found = check(member, depth + 1)
    if (found === DROPPED) answer = DROPPED
    else if (found !== SAME) return within(key, found)
  }
  return answer
}

function checkLoose(value: unknown, key: string, depth: number): Problem | undefined {
  if (typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value))) {
    return { path: [], text: describe(value) }
  }
  if (typeof value !== 'object' || value === null) return undefined
  if (depth >= MAX_DEPTH) return { path: [], text: TOO_DEEP }
  if (hasToJson(value)) return checkLoose(value.toJSON(key), key, depth + 1)
  for (const name of Object.keys(value)) {
    const found = checkLoose((value as { readonly [key: string]: unknown })[name], name, depth + 1)
    if (found !== undefined) return within(Array.isArray(value) ? Number(name) : name, found)
  }
  return undefined
}

function within(step: string | number, problem: Problem): Problem {
  problem.path.unshift(step)
  return problem
}

/** Objects of another realm (a vm context) have an `Object.prototype` of their own, which again has none above it. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return true
  return Object.getPrototypeOf(prototype) === null
}

function hasToJson(value: object): value is { toJSON(key: string): unknown } {
  return 'toJSON' in value && typeof value.toJSON === 'function'
}

const TOO_DEEP = 'nested'

function notJson(name: string, problem: Problem, root: unknown): OffstageError {
  const cycle = problem.text === TOO_DEEP ? cycleIn(root) : undefined
  const path = formatPath(name, cycle ?? shorten(problem))
  const text = cycle !== undefined ? 'refers back to an object that it is part of' : problem.text
  const said = text === TOO_DEEP ? `is nested deeper than ${MAX_DEPTH} levels` : text
  return new OffstageError('NOT_JSON', `${path} ${said}, which JSON cannot carry`, { details: { path } })
}

/** The path of a value that is too deep says no more than its start does. */
function shorten({ path, text }: Problem): readonly (string | number)[] {
  return text === TOO_DEEP ? path.slice(0, 3) : path
}

/** The path of the first reference to an object above it; undefined where there is none. */
function cycleIn(root: unknown): readonly (string | number)[] | undefined {
  const path: (string | number)[] = []
  const above = new Set<unknown>()
  // What was seen once leads nowhere new, however many references there are to it.
  const seen = new Set<unknown>()
  const walk = (value: unknown): boolean => {
    if (typeof value !== 'object' || value === null) return false
    if (above.has(value)) return true
    if (path.length > MAX_DEPTH || seen.has(value)) return false
    above.add(value)
    seen.add(value)
    for (const key of Object.keys(value)) {
      path.push(Array.isArray(value) ? Number(key) : key)
      if (walk((value as { readonly [key: string]: unknown })[key])) return true
      path.pop()
    }
    above.delete(value)
    return false
  }
  return walk(root) ? path : undefined
}

function describe(value: unknown): string {
  if (typeof value === 'number') return `is ${value}`
  if (value === undefined) return 'is undefined'
  if (typeof value !== 'object' || value === null) {
    return `is a ${typeof value === 'bigint' ? 'BigInt' : typeof value}`
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  const maker = (prototype as { constructor?: { name?: unknown } } | null)?.constructor?.name
  if (Array.isArray(value) || isPlain(value)) return 'has a toJSON method'
  return `is an instance of ${typeof maker === 'string' && maker !== '' ? maker : 'a class'}`
}

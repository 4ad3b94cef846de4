// The type of a value after a way through JSON: what a caller gets of a result.

/**
 * What `JSON.parse(JSON.stringify(value))` makes of a `T`: a Date is a string, functions and symbols are gone,
 * properties that may be `undefined` are optional, a Map is an empty object, and holes in arrays are null.
 */
export type Jsonify<T> = [unknown] extends [T]
  ? T
  : T extends string | number | boolean | null
    ? T
    : T extends undefined
      ? undefined
      : T extends Unwritable
        ? never
        : T extends { toJSON(...args: never): infer J }
          ? Jsonify<J>
          : T extends Opaque
            ? { [key: string]: never }
            : T extends readonly unknown[]
              ? { [I in keyof T]: Element<T[I]> }
              : T extends object
                ? Properties<T>
                : // `void`, the result of a handler without one
                  undefined

type Callable = (...args: never) => unknown
type Unwritable = bigint | symbol | Callable
/** What has a meaning only inside: JSON sees no properties in it. */
type Opaque =
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>
  | WeakKeyed
  | Promise<unknown>
  | RegExp
  | Error
  | ArrayBuffer
type WeakKeyed = WeakMap<WeakKey, unknown> | WeakSet<WeakKey>

type Gone = undefined | symbol | Callable

/** Arrays keep their length, so what cannot be written leaves a null. */
type Element<T> = [unknown] extends [T] ? T : T extends Gone ? null : Jsonify<T>

type Properties<T> = Flat<
  { [K in keyof T as KeptKey<T, K>]: Jsonify<T[K]> } & {
    [K in keyof T as PossibleKey<T, K>]?: Jsonify<Exclude<T[K], Gone>>
  }
>
type Flat<T> = { [K in keyof T]: T[K] }

/** Keys whose value is always written. */
type KeptKey<T, K extends keyof T> = K extends symbol
  ? never
  : [unknown] extends [T[K]]
    ? K
    : [Extract<T[K], Gone>] extends [never]
      ? K
      : never

/** Keys whose value is written sometimes. */
type PossibleKey<T, K extends keyof T> = K extends symbol
  ? never
  : [unknown] extends [T[K]]
    ? never
    : [Extract<T[K], Gone>] extends [never]
      ? never
      : [Exclude<T[K], Gone>] extends [never]
        ? never
        : K

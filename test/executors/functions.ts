// Functions for `app.offload`, and what else a module may export.
import { writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { threadId } from 'node:worker_threads'

export interface Point {
  readonly x: number
  readonly y?: number | undefined
}

export const version = 3

export class Shape {}

export function add(a: number, b: number): number {
  return a + b
}

export async function slowly(point: Point): Promise<{ point: Point; at: Date; kinds: Set<string> }> {
  await pause(1)
  return { point, at: new Date(0), kinds: new Set(['a']) }
}

export function identity<T>(value: T): T {
  return value
}

export function length(bytes: Uint8Array): number {
  return bytes.length
}

export function thread(): number {
  return threadId
}

export function fail(): never {
  class Broken extends TypeError {
    override readonly name = 'Broken'
    readonly code = 11_000
  }
  throw new Broken('no', { cause: new RangeError('because') })
}

export function failWith(value: 'text' | 'null'): never {
  throw value === 'null' ? null : 'text'
}

export function closure(): () => void {
  return () => undefined
}

export function exit(): never {
  process.exit(4)
}

export function spin(file: string): never {
  writeFileSync(file, 'started')
  for (;;);
}

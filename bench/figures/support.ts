// What the figures share: arguments, the app under test, the task of 88 bytes, and percentiles.
import { type App, offstage, type } from 'offstage'

export interface Mail {
  to: string
  subject: string
  n: number
}

/** `key=value` arguments. */
export function args(): { readonly [name: string]: string } {
  return Object.fromEntries(
    process.argv.slice(2).map((arg) => arg.split(/=(.*)/s).slice(0, 2) as [string, string]),
  )
}

export function makeApp(folder: string): App {
  return offstage({ broker: `sqlite:${folder}/bench.db` })
}

/** An input whose JSON has 88 bytes. */
export function input(n: number): Mail {
  return { to: 'reader@books.example', subject: 'A new edition of it is here!!!!', n: 1_000_000_000 + n }
}

export const mail: ReturnType<typeof type<Mail>> = type<Mail>()

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export function print(values: { readonly [name: string]: number }): void {
  process.stdout.write(`${JSON.stringify(values)}\n`)
}

// What the figures share: arguments, the system under test, the job of 88 bytes, ways to fill a queue, and time.
import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { openSystem, type System } from '../systems/system.ts'

export interface Mail {
  to: string
  subject: string
  n: number
}

/** `key=value` arguments. */
export const args: { readonly [name: string]: string } = Object.fromEntries(
  process.argv.slice(2).map((arg) => arg.split(/=(.*)/s).slice(0, 2) as [string, string]),
)

/** A number among the arguments, scaled down for a quick look. */
export function count(name: string): number {
  return Math.ceil(Number(args[name]) * Number(args.scale ?? 1))
}

export function open(broker: string = args.broker ?? ''): Promise<System> {
  return openSystem(args.system ?? 'offstage', { broker, check: args.check ?? 'types' })
}

/** An input whose JSON has 88 bytes. */
export function input(n: number): Mail {
  return { to: 'reader@books.example', subject: 'A new edition of it is here!!!!', n: 1_000_000_000 + n }
}

export function inputs(amount: number): Mail[] {
  return Array.from({ length: amount }, (_, n) => input(n))
}

export async function fill(system: System, amount: number, call = 1_000): Promise<void> {
  for (let left = amount; left > 0; left -= call) await system.enqueueMany(inputs(Math.min(left, call)))
}

/** How many seconds `run` takes. Under `--profile` it also tells where they went. */
export async function timed(run: () => Promise<unknown>): Promise<number> {
  const file = process.env.BENCH_PROFILE
  if (file !== undefined) return (await import('./profile.ts')).profiled(file, run)
  const start = performance.now()
  await run()
  return (performance.now() - start) / 1_000
}

/** Milliseconds on the clock that all processes of the machine share. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** The same figure's script in another process with another role, which sends a first message when it is ready. */
export async function startRole(role: string): Promise<ChildProcess> {
  const [, script = '', ...given] = process.argv
  const child = fork(script, [...given, `role=${role}`])
  await once(child, 'message')
  return child
}

/** Ends a process of `startRole` at once: what it still holds goes with the file or the keys. */
export async function stopRole(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export function print(values: { readonly [name: string]: number }): void {
  process.stdout.write(`${JSON.stringify(values)}\n`)
}

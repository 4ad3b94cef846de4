// A broker in a process of its own, driven by messages, that can be killed without a chance to clean up.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Broker } from '../broker/contract.ts'
import type { ProcessLocation } from './harness.ts'

/** The calls that make sense across a process; `wake` and `events` wait, and stay at home. */
export type RemoteCall = Exclude<
  { [K in keyof Broker]: Broker[K] extends (...args: never[]) => Promise<unknown> ? K : never }[keyof Broker],
  'wake' | 'events' | 'open' | 'close'
>

export interface CallMessage {
  readonly id: number
  readonly call: RemoteCall
  readonly args: readonly unknown[]
}

export type AnswerMessage =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly id: number; readonly ok: false; readonly message: string }

export interface BrokerProcess {
  /** Rejects when the process ends before it has answered. */
  call<K extends RemoteCall>(call: K, ...args: Parameters<Broker[K]>): Promise<Awaited<ReturnType<Broker[K]>>>
  /** SIGKILL; resolves when the process is gone. Repeatable. */
  kill(): Promise<void>
}

/** Starts a process with a broker at `location`; resolves when the broker is open. */
export async function startProcess(location: ProcessLocation): Promise<BrokerProcess> {
  const self = import.meta.url
  const entry = new URL(self.endsWith('.ts') ? './process-entry.ts' : './process-entry.js', self)
  const child = fork(fileURLToPath(entry), [location.module, JSON.stringify(location.options)], {
    execArgv: [...(location.execArgv ?? [])],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let complaint = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(-4_000)
  })
  const started = once(child, 'message')
  const ended = once(child, 'exit').then(() => {
    throw new Error(`the broker's process ended before it was ready: ${complaint}`)
  })
  await Promise.race([started, ended])
  ended.catch(() => undefined)
  return connection(child)
}

function connection(child: ChildProcess): BrokerProcess {
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  let lastId = 0
  child.on('message', (message) => {
    const answer = message as AnswerMessage
    const call = waiting.get(answer.id)
    waiting.delete(answer.id)
    if (answer.ok) call?.resolve(answer.value)
    else call?.reject(new Error(answer.message))
  })
  child.on('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error('the process ended without an answer'))
    waiting.clear()
  })
  return {
    call: (call, ...args) =>
      new Promise((resolve, reject) => {
        lastId += 1
        waiting.set(lastId, { resolve: resolve as (value: unknown) => void, reject })
        const message: CallMessage = { id: lastId, call, args }
        child.send(message, (error) => {
          if (error !== null) reject(error)
        })
      }),
    kill: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exit = once(child, 'exit')
      child.kill('SIGKILL')
      await exit
    },
  }
}

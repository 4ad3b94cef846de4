// What lies between a broker and the thread that owns its file: the thread itself, or a port to it from another thread.
import type { MessagePort, Transferable } from 'node:worker_threads'
import { startThread } from '../../runtime/threads.ts'
import type { FromThread, ThreadData, ToThread } from './protocol.ts'

interface LineEvents {
  readonly message: (message: FromThread) => void
  /** Nothing comes any more. */
  readonly ended: (why: string, cause?: unknown) => void
}

export interface Line {
  /** Whether the thread ends with this line, and its store is closed before. */
  readonly owner: boolean
  listen(events: LineEvents): void
  send(message: ToThread, transfer: readonly Transferable[]): void
  /** Keeps the process alive, or not. */
  ref(on: boolean): void
  end(): Promise<unknown>
}

export function threadLine(data: ThreadData): Line {
  const source = import.meta.url.endsWith('.ts')
  const thread = startThread(
    new URL(source ? './thread.ts' : './thread.js', import.meta.url),
    data,
    'offstage-sqlite',
  )
  thread.unref()
  return {
    owner: true,
    listen: ({ message, ended }) => {
      thread.on('message', message)
      thread.on('error', (cause) => ended(`the thread of the SQLite broker failed: ${String(cause)}`, cause))
      thread.on('exit', (code) => ended(`the thread of the SQLite broker ended with code ${code}`))
    },
    send: (message, transfer) => thread.postMessage(message, transfer),
    ref: (on) => (on ? thread.ref() : thread.unref()),
    end: () => thread.terminate(),
  }
}

export function portLine(port: MessagePort): Line {
  return {
    owner: false,
    listen: ({ message, ended }) => {
      port.on('message', message)
      port.on('close', () => ended('the thread of the SQLite broker has ended'))
      port.unref()
    },
    send: (message, transfer) => port.postMessage(message, transfer),
    ref: (on) => (on ? port.ref() : port.unref()),
    end: async () => port.close(),
  }
}

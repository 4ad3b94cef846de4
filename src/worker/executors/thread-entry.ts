// The module that each thread of a pool loads. piscina calls `serve` for every request, with the port on which the
// request waits.
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { Guest } from './guest.ts'
import type { ToGuest } from './protocol.ts'

const guest = new Guest()

export async function serve(port: MessagePort): Promise<void> {
  const first = receiveMessageOnPort(port)?.message as ToGuest | undefined
  if (first === undefined || first.kind === 'abort') return
  if (first.kind === 'close') return guest.close()
  const hear = (message: ToGuest): void => {
    if (message.kind === 'abort') guest.abort(message)
  }
  port.on('message', hear)
  const goesOn = await guest.serve(first, {
    send: (message) => port.postMessage(message),
    look: () => {
      const waiting = receiveMessageOnPort(port)
      if (waiting !== undefined) hear(waiting.message as ToGuest)
    },
  })
  // In a thread this ends the thread.
  if (!goesOn) process.exit()
}

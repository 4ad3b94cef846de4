// The process that `process.ts` starts: opens a broker by the module and options it was given and obeys calls.
import { argv, exit } from 'node:process'
import type { Broker } from '../broker/contract.ts'
import type { AnswerMessage, CallMessage } from './process.ts'

const [module = '', options = 'null'] = argv.slice(2)
const { connect } = (await import(module)) as { connect(options: unknown): Promise<Broker> }
const broker = await connect(JSON.parse(options) as unknown)

process.on('message', (message) => void obey(message as CallMessage))
process.on('disconnect', () => exit(0))
process.send?.('open')

async function obey({ id, call, args }: CallMessage): Promise<void> {
  let answer: AnswerMessage
  try {
    const method = broker[call] as (...args: readonly unknown[]) => Promise<unknown>
    answer = { id, ok: true, value: await method.apply(broker, [...args]) }
  } catch (error) {
    answer = { id, ok: false, message: String(error) }
  }
  process.send?.(answer)
}

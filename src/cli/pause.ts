// What `queues pause` and `queues resume` have in common.
import { checkName } from '../job/ids.ts'
import { withBroker } from './connect.ts'
import { exitCodes } from './exit.ts'
import type { CommandContext } from './spec.ts'

export function setPaused(context: CommandContext, paused: boolean): Promise<number> {
  const { args, out } = context
  const queue = args.positionals[0]
  checkName('queue', queue)
  return withBroker(
    context,
    async (broker) => {
      const known = (await broker.queues()).some((info) => info.queue === queue)
      await broker.pause(queue, paused)
      if (!known) out.note(`'${queue}' is a queue that nothing has used yet`)
      if (out.json) out.document({ queue, paused })
      else out.line(`${queue} ${paused ? 'paused' : 'resumed'}`)
      return exitCodes.ok
    },
    { create: true },
  )
}

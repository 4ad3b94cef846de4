// offstage queues pause: nothing is claimed from a queue any more.
import { setPaused } from '../pause.ts'
import type { CommandContext, CommandSpec } from '../spec.ts'

export const spec: CommandSpec = {
  args: '<queue>',
  details: ['Nothing is claimed from it any more, by any worker; what runs goes on. Enqueueing goes on too.'],
  options: {},
  examples: ['offstage queues pause mail'],
  positionals: { min: 1, max: 1 },
}

export function run(context: CommandContext): Promise<number> {
  return setPaused(context, true)
}

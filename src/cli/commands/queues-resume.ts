// offstage queues resume: ends a pause.
import { setPaused } from '../pause.ts'
import type { CommandContext, CommandSpec } from '../spec.ts'

export const spec: CommandSpec = {
  args: '<queue>',
  options: {},
  examples: ['offstage queues resume mail'],
  positionals: { min: 1, max: 1 },
}

export function run(context: CommandContext): Promise<number> {
  return setPaused(context, false)
}

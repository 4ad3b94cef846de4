// offstage jobs cancel: ends waiting jobs, and asks running ones to end.
import { bulkSpec, runBulk } from '../bulk.ts'
import type { CommandContext, CommandSpec } from '../spec.ts'

export const spec: CommandSpec = bulkSpec(
  ['A waiting job ends at once; a running one has its signal aborted and ends when its handler does.'],
  ['offstage jobs cancel welcome-17', 'offstage jobs cancel --queue mail --state ready,scheduled --yes'],
)

export function run(context: CommandContext): Promise<number> {
  return runBulk(context, {
    verb: 'cancel',
    done: 'cancelled',
    states: ['blocked', 'scheduled', 'ready', 'active'],
    call: (broker, selection) => broker.cancel(selection),
  })
}

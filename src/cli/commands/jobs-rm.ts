// offstage jobs rm: deletes records.
import { bulkSpec, runBulk } from '../bulk.ts'
import type { CommandContext, CommandSpec } from '../spec.ts'

export const spec: CommandSpec = bulkSpec(
  ['Deletes the records of jobs, whatever their retention. Running jobs are left alone.'],
  ['offstage jobs rm welcome-17', 'offstage jobs rm --state succeeded --task send-welcome --yes'],
)

export function run(context: CommandContext): Promise<number> {
  return runBulk(context, {
    verb: 'delete',
    done: 'deleted',
    states: ['blocked', 'scheduled', 'ready', 'succeeded', 'failed', 'cancelled'],
    call: (broker, selection) => broker.remove(selection),
  })
}

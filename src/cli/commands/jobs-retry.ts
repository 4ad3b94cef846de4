// offstage jobs retry: runs dead letters and cancelled jobs again.
import { bulkSpec, runBulk } from '../bulk.ts'
import type { CommandContext, CommandSpec } from '../spec.ts'

export const spec: CommandSpec = bulkSpec(
  ['Failed and cancelled jobs become ready again, at the end of their line, with all their attempts.'],
  ['offstage jobs retry welcome-17', 'offstage jobs retry --state failed --task send-welcome --yes'],
)

export function run(context: CommandContext): Promise<number> {
  return runBulk(context, {
    verb: 'retry',
    done: 'retried',
    states: ['failed', 'cancelled'],
    call: (broker, selection) => broker.retry(selection),
  })
}

// offstage queues limit: what a person sets for a queue and its partitions; it wins over what the code declares.
import type { Broker } from '../../broker/contract.ts'
import type { Limit, LimitRule, LimitScope } from '../../broker/records.ts'
import { checkName } from '../../job/ids.ts'
import { parseRate } from '../../job/rates.ts'
import { withBroker } from '../connect.ts'
import { exitCodes, UsageError } from '../exit.ts'
import type { ParsedArgs } from '../parse.ts'
import type { CommandContext, CommandSpec } from '../spec.ts'
import { limitJson, limitText } from './queues-ls.ts'

const MAX_CONCURRENCY = 1_000_000

export const spec: CommandSpec = {
  args: '<queue>',
  details: [
    'Limits hold across all workers from the next claim on. What is set here wins over what the code declares, and',
    'replaces what was set before: a limit of the queue, one of each partition, or both. Without options it shows them.',
  ],
  options: {
    concurrency: { type: 'string', value: '<count>', help: 'jobs of the queue that run at once' },
    rate: { type: 'string', value: '<rate>', help: 'starts in any such time, such as 100/m or 5/10s' },
    'partition-concurrency': { type: 'string', value: '<count>', help: 'the same for each partition' },
    'partition-rate': { type: 'string', value: '<rate>', help: 'the same for each partition' },
    clear: { type: 'boolean', help: 'take away what was set; what the code declares holds again' },
  },
  examples: [
    'offstage queues limit mail --concurrency 10 --rate 100/m',
    'offstage queues limit mail --partition-rate 1/s',
    'offstage queues limit mail --clear',
  ],
  positionals: { min: 1, max: 1 },
}

export function run(context: CommandContext): Promise<number> {
  const { args } = context
  const queue = args.positionals[0]
  checkName('queue', queue)
  const limit = limitOf(args, '')
  const partitionLimit = limitOf(args, 'partition-')
  const sets = limit !== undefined || partitionLimit !== undefined
  if (sets && args.has('clear')) throw new UsageError('give limits or --clear, not both')
  const rules = args.has('clear')
    ? [rule('queue', queue, null), rule('partition', queue, null)]
    : [
        ...(limit === undefined ? [] : [rule('queue', queue, limit)]),
        ...(partitionLimit === undefined ? [] : [rule('partition', queue, partitionLimit)]),
      ]
  return withBroker(
    context,
    async (broker) => {
      if (rules.length > 0) await broker.limit(rules)
      return show(context, broker, queue)
    },
    { create: true },
  )
}

function limitOf(args: ParsedArgs, prefix: string): Limit | undefined {
  const concurrency = args.whole(`${prefix}concurrency`, 1, MAX_CONCURRENCY)
  const rate = args.text(`${prefix}rate`)
  if (concurrency === undefined && rate === undefined) return undefined
  return {
    ...(concurrency !== undefined && { concurrency }),
    ...(rate !== undefined && { rate: parseRate(rate, `--${prefix}rate`) }),
  }
}

function rule(kind: 'queue' | 'partition', queue: string, limit: Limit | null): LimitRule {
  return { scope: { kind, queue }, source: 'set', limit }
}

async function show({ out }: CommandContext, broker: Broker, queue: string): Promise<number> {
  const rules = (await broker.limits()).filter(({ scope }) => isOf(scope, queue))
  const inForce = (kind: LimitScope['kind']): LimitRule | undefined => {
    const ofKind = rules.filter(({ scope, limit }) => scope.kind === kind && limit !== null)
    return ofKind.find(({ source }) => source === 'set') ?? ofKind[0]
  }
  const [own, partition] = [inForce('queue'), inForce('partition')]
  if (out.json) {
    const json = (found: LimitRule | undefined) =>
      found === undefined ? null : { ...limitJson(found.limit), source: found.source }
    out.document({ queue, limit: json(own), partitionLimit: json(partition) })
    return exitCodes.ok
  }
  const text = (found: LimitRule | undefined): string =>
    found === undefined || found.limit === null
      ? 'no limit'
      : `${limitText(found.limit)} (${found.source === 'set' ? 'set by hand' : 'declared in code'})`
  out.line(`${queue}: ${text(own)}`)
  out.line(`each partition: ${text(partition)}`)
  return exitCodes.ok
}

function isOf(scope: LimitScope, queue: string): boolean {
  return scope.kind !== 'task' && scope.queue === queue
}

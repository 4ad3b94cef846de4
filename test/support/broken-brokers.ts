// Brokers that break one law each, made by wrapping an honest one: they show that the laws' suite can fail.
import type { Broker, EnqueuedJob, GroupAnswer, LeaseRef, LimitRule } from '../../src/broker/contract.ts'
import type { JobRecord, JobSpec } from '../../src/job/record.ts'

const DAY_MS = 86_400_000

export interface BrokenBroker {
  /** What it does wrong. */
  readonly fault: string
  /** The number of the law that has to notice. */
  readonly law: number
  breaks(honest: Broker): Partial<Broker>
}

/** The honest broker with some of its calls replaced. */
export function wrap(honest: Broker, replaced: Partial<Broker>): Broker {
  return new Proxy(honest, {
    get(target, key) {
      const own: unknown = Reflect.get(replaced, key)
      if (own !== undefined) return own
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** Enqueues what `change` makes of each job; undefined drops it, and says that it was stored. */
function enqueueChanged(
  honest: Broker,
  change: (job: JobSpec) => JobSpec | undefined,
): Pick<Broker, 'enqueue'> {
  return {
    enqueue: async (groups) => {
      const changed = groups.map((group) => group.flatMap((job) => change(job) ?? []))
      const answers = await honest.enqueue(changed)
      return answers.map((answer, index): GroupAnswer => {
        if (!answer.ok) return answer
        const stored = new Map(changed[index]?.map(({ id }, at) => [id, answer.jobs[at]]))
        const claimed = (id: string): EnqueuedJob => stored.get(id) ?? { status: 'enqueued', id }
        return { ok: true, jobs: groups[index]?.map(({ id }) => claimed(id)) ?? [] }
      })
    },
  }
}

export const brokenBrokers: readonly BrokenBroker[] = [
  {
    fault: 'forgets every seventh job',
    law: 1,
    breaks: (honest) => {
      let jobs = 0
      return enqueueChanged(honest, (job) => {
        jobs += 1
        return jobs % 7 === 0 ? undefined : job
      })
    },
  },
  {
    fault: 'stores what it can of a group that it refuses',
    law: 1,
    breaks: (honest) => ({
      enqueue: async (groups) => {
        const answers: GroupAnswer[] = []
        for (const group of groups) {
          const single = await honest.enqueue(group.map((job) => [job]))
          const jobs = single.flatMap((answer) => (answer.ok ? answer.jobs : []))
          answers.push(single.find(({ ok }) => !ok) ?? { ok: true, jobs })
        }
        return answers
      },
    }),
  },
  {
    fault: 'settles without a look at the token',
    law: 2,
    breaks: (honest) => ({
      settle: async (request) => {
        const records = await honest.get(request.outcomes.map(({ id }) => id))
        const outcomes = request.outcomes.map((outcome, index) => ({
          ...outcome,
          token: records[index]?.lease?.token ?? outcome.token,
        }))
        return await honest.settle({ ...request, outcomes })
      },
    }),
  },
  {
    fault: 'hands out jobs without a lease',
    law: 2,
    breaks: (honest) => ({
      reserve: async (request) => {
        const reserved = await honest.reserve(request)
        const outcomes = reserved.jobs.map(({ id, token }) => ({ id, token, kind: 'released' }) as const)
        await honest.settle({ outcomes })
        return reserved
      },
    }),
  },
  {
    fault: 'begins again with its tokens when an id was removed',
    law: 2,
    breaks: reuseTokens,
  },
  {
    fault: 'never takes a job back from a dead worker',
    law: 3,
    breaks: (honest) => ({
      reserve: (request) => honest.reserve({ ...request, leaseMs: DAY_MS }),
      settle: ({ next, ...request }) =>
        honest.settle(next === undefined ? request : { ...request, next: { ...next, leaseMs: DAY_MS } }),
    }),
  },
  {
    fault: 'puts what came back to the end of the line',
    law: 3,
    breaks: (honest) => ({
      maintain: async () => {
        const active = (await honest.list({ states: ['active'], limit: 1000 })).jobs
        const report = await honest.maintain()
        for (const { id } of active) {
          const [record] = await honest.get([id])
          if (record?.state !== 'ready') continue
          await honest.cancel({ ids: [id] })
          await honest.retry({ ids: [id] })
        }
        return report
      },
    }),
  },
  {
    fault: 'takes prefetched jobs for started ones',
    law: 4,
    breaks: (honest) => ({ reserve: (request) => honest.reserve({ ...request, starting: request.max }) }),
  },
  {
    fault: 'takes claimed suspects for started ones',
    law: 4,
    breaks: (honest) => ({
      reserve: async (request) => {
        const reserved = await honest.reserve(request)
        const suspects = reserved.jobs.filter(({ suspect }) => suspect)
        const started = suspects.map(({ id, token }) => ({ id, token, started: true }))
        if (started.length > 0) await honest.extend(started, request.leaseMs)
        return reserved
      },
    }),
  },
  {
    fault: 'hands out as many suspects as there are',
    law: 4,
    breaks: (honest) => ({
      reserve: async (request) => {
        const first = await honest.reserve({ ...request, suspects: 1 })
        const more = await honest.reserve({ ...request, suspects: 1, max: request.max - first.jobs.length })
        return { ...more, jobs: [...first.jobs, ...more.jobs] }
      },
    }),
  },
  {
    fault: 'runs an ended job again when it is enqueued again',
    law: 5,
    breaks: (honest) => ({
      enqueue: async (groups) => {
        for (const { id, task } of groups.flat()) {
          const [record] = await honest.get([id])
          if (record?.endedAt !== undefined && record.task === task) await honest.remove({ ids: [id] })
        }
        return await honest.enqueue(groups)
      },
    }),
  },
  {
    fault: 'loses the place of what is given back',
    law: 6,
    breaks: (honest) => ({
      settle: (request) => {
        const outcomes = request.outcomes.map((outcome) =>
          outcome.kind === 'released' ? ({ ...outcome, kind: 'snoozed', delayMs: 0 } as const) : outcome,
        )
        return honest.settle({ ...request, outcomes })
      },
    }),
  },
  {
    fault: 'knows no priorities',
    law: 6,
    breaks: (honest) => enqueueChanged(honest, (job) => ({ ...job, priority: 5 })),
  },
  {
    fault: 'hands out jobs a little before their time',
    law: 7,
    breaks: (honest) => ({
      reserve: async (request) => {
        const { now } = await honest.health()
        const scheduled = (await honest.list({ states: ['scheduled'], limit: 1000 })).jobs
        const soon = scheduled.filter(({ runAt = 0 }) => runAt <= now + 25)
        await honest.promote({ ids: soon.map(({ id }) => id) })
        return await honest.reserve(request)
      },
    }),
  },
  {
    fault: 'wakes nobody',
    law: 7,
    breaks: () => ({
      wake: (_queues, signal) =>
        new Promise((resolve) => {
          if (signal.aborted) resolve()
          signal.addEventListener('abort', () => resolve(), { once: true })
        }),
    }),
  },
  {
    fault: 'loses what follows from an outcome',
    law: 8,
    breaks: (honest) => ({
      enqueue: (groups) =>
        // A job that waits for one that never ends waits for ever, whatever becomes of the others.
        honest
          .enqueue([
            [{ ...gate(groups), id: 'gate', queue: 'gate' }],
            ...groups.map((group) => group.map((job) => (job.after === undefined ? job : gated(job)))),
          ])
          .then((answers) => answers.slice(1)),
    }),
  },
  {
    fault: 'shows staged jobs at once',
    law: 8,
    breaks: (honest) => enqueueChanged(honest, (job) => ({ ...job, staged: undefined })),
  },
  {
    fault: 'refuses an outcome that it has recorded already',
    law: 9,
    breaks: (honest) => {
      const seen = new Set<string>()
      return {
        settle: async (request) => {
          const { answers, next } = await honest.settle(request)
          const once = answers.map((answer, index) => {
            const outcome = request.outcomes[index]
            const key = `${outcome?.token} ${outcome?.id}`
            if (answer === 'lost' || seen.has(key)) return 'lost' as const
            seen.add(key)
            return answer
          })
          return { answers: once, next }
        },
      }
    },
  },
  {
    fault: 'gives one slot too many',
    law: 10,
    breaks: (honest) => ({ limit: (rules) => honest.limit(rules.map(widened)) }),
  },
  {
    fault: 'knows no unique keys',
    law: 11,
    breaks: (honest) => enqueueChanged(honest, (job) => ({ ...job, unique: undefined })),
  },
  {
    fault: 'takes bytes for text',
    law: 12,
    breaks: (honest) =>
      enqueueChanged(honest, (job) => {
        const bytes = new TextEncoder().encode(new TextDecoder().decode(job.input.bytes))
        return { ...job, input: { ...job.input, bytes } }
      }),
  },
  {
    fault: 'answers more than was asked for',
    law: 13,
    breaks: (honest) => ({ list: (request) => honest.list({ ...request, limit: 1000 }) }),
  },
  {
    fault: 'counts in its answers what is not there',
    law: 0,
    breaks: (honest) => ({
      queues: async () =>
        (await honest.queues()).map((info) => ({
          ...info,
          counts: { ...info.counts, ready: info.counts.ready + 1 },
        })),
    }),
  },
]

function gate(groups: readonly (readonly JobSpec[])[]): JobSpec {
  const [first] = groups.flat()
  if (first === undefined) throw new Error('a broken broker needs a job to take after')
  const { after: _, unique: __, staged: ___, ...plain } = first
  return { ...plain, task: 'gate', runAt: 4_000_000_000_000 }
}

function gated(job: JobSpec): JobSpec {
  return { ...job, after: [...(job.after ?? []), { id: 'gate', when: 'ended' }] }
}

function widened(rule: LimitRule): LimitRule {
  if (rule.limit === null) return rule
  const { concurrency, rate } = rule.limit
  return {
    ...rule,
    limit: {
      concurrency: concurrency === undefined ? undefined : concurrency + 1,
      rate: rate === undefined ? undefined : { ...rate, count: rate.count + 1 },
    },
  }
}

/** Counts the claims of each id and calls that the token; a removed id begins again. */
function reuseTokens(honest: Broker): Partial<Broker> {
  const claims = new Map<string, number>()
  const real = new Map<string, number>()
  const toReal = <R extends LeaseRef>(ref: R): R => ({
    ...ref,
    token: real.get(`${ref.token} ${ref.id}`) ?? -ref.token,
  })
  const shown = (record: JobRecord | undefined): JobRecord | undefined =>
    record?.lease === undefined
      ? record
      : { ...record, lease: { ...record.lease, token: claims.get(record.id) ?? 0 } }
  return {
    reserve: async (request) => {
      const reserved = await honest.reserve(request)
      const jobs = reserved.jobs.map((job) => {
        const token = (claims.get(job.id) ?? 0) + 1
        claims.set(job.id, token)
        real.set(`${token} ${job.id}`, job.token)
        return { ...job, token }
      })
      return { ...reserved, jobs }
    },
    settle: (request) => honest.settle({ ...request, outcomes: request.outcomes.map(toReal) }),
    extend: (leases, leaseMs) => honest.extend(leases.map(toReal), leaseMs),
    write: (notes) => honest.write(notes.map(toReal)),
    get: async (ids) => (await honest.get(ids)).map(shown),
    remove: async (selection) => {
      const answer = await honest.remove(selection)
      for (const id of answer.done) claims.delete(id)
      return answer
    },
  }
}

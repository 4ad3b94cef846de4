// Mistakes that the simulation has to find, each made in the built code of the worker or the memory broker: `find` stands
// in it once. What a mutant does wrong has to show in some hundreds of worlds.

export interface Mutant {
  readonly mistake: string
  /** Relative to the root of the build. */
  readonly file: string
  readonly find: string
  readonly replace: string
  /** Looked for with every run of the tests; all of them are with `npm run slow`. */
  readonly star?: true
}

const worker = (name: string): string => `src/worker/${name}.js`
const memory = (name: string): string => `src/brokers/memory/${name}.js`

export const mutants: readonly Mutant[] = [
  {
    mistake: 'a worker that lets calls leave after it has stopped',
    file: worker('patient'),
    find: "if (this.#ended && name !== 'leave')",
    replace: 'if (false)',
  },
  {
    mistake: 'a stop that takes half a second too long',
    file: worker('drain'),
    find: 'const LAST_MS = 950;',
    replace: 'const LAST_MS = 9_500;',
  },
  {
    mistake: 'a settler that does not send an outcome again',
    star: true,
    file: worker('settler'),
    find: 'this.#waitingOutcomes.push(outcomes[i]);',
    replace: 'this.#waitingClaims.pop();',
  },
  {
    mistake: 'a settler that takes a lost reply for an answer',
    file: worker('settler'),
    find: 'this.#failed(claims, outcomes, error);',
    replace: "this.#answered(claims, outcomes, outcomes.map(() => 'ok'));",
  },
  {
    mistake: 'loops that ignore the pause after errors',
    star: true,
    file: 'src/runtime/service.js',
    find: 'return backoffMs;',
    replace: 'return 0;',
  },
  {
    mistake: 'loops that end with an error',
    file: 'src/runtime/service.js',
    find: 'return backoffMs;',
    replace: 'return 1e9;',
  },
  {
    mistake: 'a fetcher that relies on hints',
    file: worker('fetcher'),
    find: 'const pollMs = this.#pollMs',
    replace: 'const pollMs = 1e6 * this.#pollMs',
  },
  {
    mistake: 'a fetcher that asks for more than one suspect',
    star: true,
    file: worker('fetcher'),
    find: '=== 0 ? 1 : 0',
    replace: '=== 0 ? 1 : 1',
  },
  {
    mistake: 'a keeper that stops after one error',
    star: true,
    file: worker('keeper/keeper'),
    find: 'this.#lookAt = now;',
    replace: 'return 1e9;',
  },
  {
    mistake: 'a keeper that renews too late',
    file: worker('keeper/keeper'),
    find: 'Math.floor(this.#env.settings.leaseMs / 3)',
    replace: 'this.#env.settings.leaseMs * 1.1',
  },
  {
    mistake: 'a worker that waits for an answer without end',
    star: true,
    file: worker('patient'),
    find: 'this.#clock.schedule(ms,',
    replace: 'this.#clock.schedule(ms * 1e6,',
  },
  {
    mistake: 'slots that start what may be somebody else’s by now',
    file: worker('slots'),
    find: 'now >= claim.leaseEnds(now) || ',
    replace: '',
  },
  {
    mistake: 'an executor that lets old attempts write',
    star: true,
    file: worker('context'),
    find: 'if (!this.#attempt.ended)',
    replace: 'if (true)',
  },
  {
    mistake: 'an executor that ends an attempt twice',
    file: worker('executor'),
    find: "if (attempt.ended) {\n            this.#late(attempt, 'threw', error);\n            return;\n        }",
    replace: '',
  },
  {
    mistake: 'an executor that records no start beside a suspect',
    file: worker('executor'),
    find: 'if (!job.suspect && (claim.recorded || this.#claims.suspects === 0))',
    replace: 'if (!job.suspect)',
  },
  {
    mistake: 'an outcome that does not wait for the notes before it',
    file: worker('executor'),
    find: 'if (claim.notes === 0)',
    replace: 'if (true)',
  },
  {
    mistake: 'a stop that does not give up the last outcomes',
    file: worker('drain'),
    find: 'const FLUSH_MS = 500;',
    replace: 'const FLUSH_MS = 5_000;',
  },
  {
    mistake: 'a stop that lets the worker claim on',
    file: worker('fetcher'),
    find: 'if (this.#stopped || this.#underWay)',
    replace: 'if (this.#underWay)',
  },
  {
    mistake: 'a retry without end',
    file: 'src/job/retry.js',
    find: 'return failures + crashes < policy.attempts;',
    replace: 'return true;',
  },
  {
    mistake: 'a broker that accepts old tokens',
    star: true,
    file: memory('claims'),
    find: 'if (job?.lease?.token !== outcome.token)',
    replace: 'if (job?.lease === undefined)',
  },
  {
    mistake: 'a broker that hands out a lease twice',
    star: true,
    file: memory('upkeep'),
    find: 'const leaseEnd = (job) => job.lease?.until ?? 0;',
    replace: 'const leaseEnd = (job) => (job.lease?.until ?? 0) - 1000;',
  },
  {
    mistake: 'a broker that loses a job when it is given back',
    star: true,
    file: memory('space'),
    find: "if (next.state === 'ready')\n            this.#enter(job, 'ready');",
    replace:
      "if (next.state === 'ready') {\n            this.#leave(job); this.#change(job, 'ready');\n        }",
  },
  {
    mistake: 'a broker that forgets the slots of the dead',
    star: true,
    file: memory('space'),
    find: 'this.lanes.free(job);',
    replace: 'if (job.lease.until > this.now()) this.lanes.free(job);',
  },
  {
    mistake: 'a broker that knows no tombstones',
    file: memory('store'),
    find: 'return tombstone !== undefined && tombstone.until > now ? tombstone : undefined;',
    replace: 'return undefined;',
  },
  {
    mistake: 'a broker that gives one slot too many',
    file: memory('scopes'),
    find: 'Math.min(concurrency - scope.active,',
    replace: 'Math.min(concurrency + 1 - scope.active,',
  },
  {
    mistake: 'a broker that hands out jobs before their time',
    file: memory('claims'),
    find: '(job.runAt ?? 0) > space.now()',
    replace: '(job.runAt ?? 0) > space.now() + 300',
  },
  {
    mistake: 'a broker that hands out jobs of a paused queue',
    file: memory('claims'),
    find: 'if (queue.paused)',
    replace: 'if (false)',
  },
  {
    mistake: 'a broker that takes every loss for a crash',
    file: memory('outcomes'),
    find: 'const counted = started && job.suspect;',
    replace: 'const counted = started;',
  },
  {
    mistake: 'a broker that has a person’s cancel forgotten',
    file: memory('claims'),
    find: "return job.cancelling ? 'cancelling' : 'ok';",
    replace: "return 'ok';",
  },
]

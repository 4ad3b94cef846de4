// What the handlers of a world do: each run is one deed of its job, in virtual time.

import { hasCode, OffstageError } from '../../src/errors/error.ts'
import type { TaskContext } from '../../src/task/context.ts'
import { sameJob } from './conduct.ts'
import type { Deed } from './jobs.ts'
import type { Run } from './known.ts'
import type { WorkerProcess } from './process.ts'

export function perform(process: WorkerProcess, input: unknown, ctx: TaskContext): unknown {
  const { world, name } = process
  const { id, token } = ctx.job
  const claimed = world.ledger.claim(token)
  if (claimed === undefined || claimed.run !== undefined || !sameJob(claimed.job, id, input)) {
    world.history.broken(`${name} ran ${id} with token ${token}, which it was not given or has run before`)
    return undefined
  }
  const run: Run = {
    claimed,
    at: world.time.now,
    end: undefined,
    value: undefined,
    aborted: undefined,
  }
  claimed.run = run
  world.history.add(name, 'run', id, token)
  process.conduct.began(run)
  return act(process, world.jobs.next(id), run, ctx)
}

function act(process: WorkerProcess, deed: Deed, run: Run, ctx: TaskContext): unknown {
  const { time, random } = process.world
  const value = { id: ctx.job.id, token: ctx.job.token }
  switch (deed.kind) {
    case 'return':
      for (let i = 1; i <= deed.notes; i += 1) {
        const note = (): void => (random.chance(0.5) ? ctx.progress({ i }) : ctx.log.debug(`note ${i}`))
        if (i === 1) note()
        else time.after((deed.ms * i) / deed.notes, note, process.life, 'timer')
      }
      return deed.ms === 0 ? returned(process, run, value) : later(process, deed, run, ctx, () => value)
    case 'throw':
      if (deed.ms === 0) throw threw(process, run, deed.thrown())
      return later(process, { ms: deed.ms, heeds: true }, run, ctx, () => {
        throw deed.thrown()
      })
    case 'hang':
      return later(process, { ms: undefined, heeds: deed.heeds }, run, ctx, () => undefined)
    case 'unfit':
      return returned(process, run, 1n)
    case 'block':
      process.freeze(deed.ms)
      return later(process, { ms: 0, heeds: false }, run, ctx, () => value)
    case 'kill':
      time.after(deed.ms, () => process.kill())
      return new Promise(() => undefined)
  }
}

/** @param how `ms`: absent for never. `heeds`: ends when it is told to stop */
function later(
  process: WorkerProcess,
  how: { readonly ms: number | undefined; readonly heeds: boolean },
  run: Run,
  ctx: TaskContext,
  make: () => unknown,
): Promise<unknown> {
  const { time, random, history } = process.world
  return new Promise((resolve, reject) => {
    const settle = (made: () => unknown): void => {
      if (run.end !== undefined) return
      try {
        resolve(returned(process, run, made()))
      } catch (error) {
        reject(threw(process, run, error))
      }
    }
    if (how.ms !== undefined) time.after(how.ms, () => settle(make), process.life, 'timer')
    ctx.signal.addEventListener('abort', () => {
      const { reason } = ctx.signal
      run.aborted = reason instanceof OffstageError ? reason.code : 'unknown'
      history.add(process.name, 'told', ctx.job.id, ctx.job.token, run.aborted)
      if (how.heeds) {
        const heed = (): void =>
          settle(() => {
            throw reason
          })
        if (random.chance(0.5)) heed()
        else time.after(random.between(0, 400), heed, process.life, 'timer')
      } else if (!hasCode(reason, 'JOB_CANCELLED')) {
        // It has not understood that it is over.
        time.after(random.between(0, 3_000), () => ctx.progress('still here'), process.life, 'timer')
      }
    })
  })
}

function returned(process: WorkerProcess, run: Run, value: unknown): unknown {
  run.end = 'returned'
  run.value = value
  say(process, run)
  return value
}

function threw(process: WorkerProcess, run: Run, error: unknown): unknown {
  run.end = 'threw'
  say(process, run)
  return error
}

function say(process: WorkerProcess, { end, claimed }: Run): void {
  const { id, token } = claimed.job
  process.world.history.add(process.name, end ?? '', id, token)
}

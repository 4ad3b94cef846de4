// `offstage worker` with several processes: this one loads no tasks and opens no broker, and keeps children that do.
import { defaultGraceMs } from '../../job/defaults.ts'
import { systemClock } from '../../runtime/clock.ts'
import { durationMs } from '../../runtime/durations.ts'
import { openProbe } from '../probe/listener.ts'
import { onSignals } from '../signals.ts'
import type { CommandContext } from '../spec.ts'
import { plural } from '../text.ts'
import { offstageChild } from './child.ts'
import { SupervisorHealth } from './health.ts'
import type { ProcessSettings } from './settings.ts'
import { Supervisor } from './supervisor.ts'

/** Resolves to the exit code when all children have ended. */
export async function supervise(
  context: CommandContext,
  { processes, probe: address }: ProcessSettings & { readonly processes: number },
): Promise<number> {
  const { args, out, io, settings } = context
  const supervisor = new Supervisor({
    processes,
    startChild: offstageChild({
      args: ['worker', ...args.toArgv(['processes', 'probe'])],
      cwd: io.cwd,
      restarts: true,
    }),
    clock: systemClock,
    random: Math.random,
    graceMs: durationMs((await settings.duration('grace')) ?? defaultGraceMs, 'grace'),
    say: out,
  })
  const health = new SupervisorHealth(supervisor, systemClock)
  const probe = address === undefined ? undefined : await openProbe(address, () => health.now())
  if (probe !== undefined) {
    out.note(`offstage worker: probes are answered at ${probe.location}`)
    health.start()
  }
  const stopSignals = onSignals({
    drain: (signal) => {
      out.note(
        `offstage worker: ${signal}: draining ${plural(processes, 'process')}; a second signal ends them at once`,
      )
      supervisor.drain()
    },
    end: (signal) => {
      out.always(`offstage worker: ${signal}: ended at once; what was running runs again after its lease`)
      supervisor.end(signal)
    },
  })
  const roll = (): void => supervisor.roll()
  process.on('SIGHUP', roll)
  try {
    const code = await supervisor.run()
    if (code === 0) out.note('offstage worker: all processes have stopped')
    return code
  } finally {
    process.off('SIGHUP', roll)
    stopSignals()
    health.stop()
    await probe?.close()
  }
}

// Keeps N worker processes: starts them, replaces what ended, rolls, drains and ends them all.
//
//   place        keeps a child in one of the N places      member   one child from start to end
//   replacements one place after another                   health   what probes are told of all of them
//
// The first child starts alone. What is wrong with the options or the modules is then said once, and ends the
// supervisor too; once a child has been ready, whatever ends is started again for ever.
import type { Clock } from '../../runtime/clock.ts'
import { exitCodes } from '../exit.ts'
import type { EndSignal } from '../signals.ts'
import { endCodes } from '../signals.ts'
import { plain, plural } from '../text.ts'
import { type End, endText, type StartChild } from './child.ts'
import type { Member } from './member.ts'
import { Place, type Say } from './place.ts'
import { Replacements } from './replacements.ts'

export interface SupervisorOptions {
  readonly processes: number
  readonly startChild: StartChild
  readonly clock: Clock
  /** From 0 to 1, for back-off. */
  readonly random: () => number
  /** How long children may take for their running jobs. */
  readonly graceMs: number
  readonly say: Say
}

export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #places: readonly Place[]
  readonly #replacements: Replacements
  #state: 'new' | 'first' | 'running' | 'stopping' = 'new'
  #rollWaits = false
  #finish: (code: number) => void = () => undefined
  readonly #finished: Promise<number>

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.#places = Array.from(
      { length: options.processes },
      (_, i) =>
        new Place({
          ...options,
          number: i + 1,
          onReplace: (place, member, reason) => this.#asked(place, member, reason),
          goesOn: (_place, _member, end) => this.#goesOn(end),
        }),
    )
    this.#replacements = new Replacements(this.#places, options.say)
    this.#finished = new Promise((resolve) => {
      this.#finish = resolve
    })
  }

  get state(): 'new' | 'first' | 'running' | 'stopping' {
    return this.#state
  }

  get places(): readonly Place[] {
    return this.#places
  }

  /** Resolves to the exit code when all has ended. */
  run(): Promise<number> {
    const [first, ...others] = this.#places
    this.#state = 'first'
    first?.start().whenReady.then((ready) => {
      if (!ready || this.#state !== 'first') return
      this.#state = 'running'
      for (const place of others) place.start()
      if (this.#rollWaits) this.#replacements.roll()
    })
    return this.#finished
  }

  /** A rolling restart; before all have been started, it waits for that. */
  roll(): void {
    if (this.#state === 'stopping') return
    this.#options.say.note(`offstage worker: rolling restart of ${plural(this.#places.length, 'process')}`)
    if (this.#state === 'running') this.#replacements.roll()
    else this.#rollWaits = true
  }

  /** Drains all children at once. Repeatable. */
  drain(): void {
    this.#stop(exitCodes.ok)
  }

  /** Ends all children at once. */
  end(signal: EndSignal): void {
    this.#state = 'stopping'
    this.#replacements.stop()
    for (const place of this.#places) place.kill()
    this.#finish(endCodes[signal])
  }

  #stop(code: number): void {
    if (this.#state === 'stopping') return
    this.#state = 'stopping'
    this.#replacements.stop()
    void Promise.all(this.#places.map((place) => place.stop())).then(() => this.#finish(code))
  }

  #goesOn(end: End): boolean {
    if (this.#state !== 'first') return true
    this.#options.say.warn(
      `the first process ended with ${plain(endText(end))} before it was ready; no other is started`,
    )
    this.#stop(end.code === null || end.code === 0 ? exitCodes.failed : end.code)
    return false
  }

  #asked(place: Place, member: Member, reason: string): void {
    if (this.#state !== 'running') return
    this.#options.say.note(`offstage worker: ${place.nameOf(member)} is to be replaced: ${reason}`)
    this.#replacements.recycle(place, member)
  }
}

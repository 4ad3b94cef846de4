// What probes are told of a supervisor. It lives while one of its children answers: a child whose loop is blocked ends
// itself after a while, and must not take its siblings with it. It is ready while one of them is.
import type { Clock, Timer } from '../../runtime/clock.ts'
import type { Health, ProcessHealth } from '../probe/health.ts'
import type { Member } from './member.ts'
import type { Supervisor } from './supervisor.ts'

const PING_MS = 2_000
const SILENT_MS = 10_000

export class SupervisorHealth {
  readonly #supervisor: Supervisor
  readonly #clock: Clock
  readonly #startedAt: number
  #timer: Timer | undefined

  constructor(supervisor: Supervisor, clock: Clock) {
    this.#supervisor = supervisor
    this.#clock = clock
    this.#startedAt = clock.monotonic()
  }

  /** Pings from now on; children ask their broker only while they are pinged. */
  start(): void {
    for (const { members } of this.#supervisor.places) for (const member of members) member.ping()
    this.#timer = this.#clock.schedule(PING_MS, () => this.start())
  }

  stop(): void {
    this.#timer?.cancel()
  }

  now(): Health {
    const { places, state } = this.#supervisor
    const members = places.flatMap((place) => [...place.members].map((member) => ({ place, member })))
    const working = members.filter(({ member }) => member.state === 'ready')
    const heard = working.filter(({ member }) => member.silentMs < SILENT_MS)
    const draining = state === 'stopping'
    const reason = draining
      ? 'it is draining'
      : working.length === 0
        ? 'no process is ready'
        : heard.length === 0
          ? 'no process answers'
          : heard.some(({ member }) => isReady(member))
            ? undefined
            : heard[0]?.member.health?.reason
    return {
      // Those that start, or wait for their restart, are seen to by the supervisor.
      live: working.length === 0 || heard.length > 0,
      ready: reason === undefined,
      ...(reason !== undefined && { reason }),
      pid: process.pid,
      state: draining ? 'draining' : working.length === 0 ? 'starting' : 'running',
      uptimeMs: Math.round(this.#clock.monotonic() - this.#startedAt),
      active: members.reduce((sum, { member }) => sum + (member.health?.active ?? 0), 0),
      processes: members.map(({ place, member }) => this.#told(place.number, member)),
    }
  }

  #told(place: number, member: Member): ProcessHealth {
    return {
      ...member.health,
      // What it said of itself may be old.
      ready: isReady(member) && member.silentMs < SILENT_MS,
      place,
      pid: member.pid,
      state: member.state,
      uptimeMs: Math.round(member.upMs),
      silentMs: Math.round(member.silentMs),
    }
  }
}

/** Until it has answered a ping, its word that it is ready holds. */
function isReady({ state, health }: Member): boolean {
  return state === 'ready' && (health?.ready ?? true)
}

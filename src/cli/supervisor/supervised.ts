// The child's side of supervision: it drains when it is told to and when its supervisor is gone, answers pings, and says
// when it is ready and when it wants to be replaced.
import type { Health } from '../probe/health.ts'
import { asToChild, type FromChild, SUPERVISED } from './messages.ts'

export interface SupervisedHandlers {
  /** May be called more than once. */
  readonly drain: () => void
  readonly health: () => Health
}

export interface Supervision {
  /** Another process is started where this one ends. */
  readonly restarts: boolean
  ready(): void
  replace(reason: string): void
  /** Ends the listening. */
  leave(): void
}

/** Undefined in a process that has no supervisor. To be called before anything is waited for. */
export function joinSupervisor({ drain, health }: SupervisedHandlers): Supervision | undefined {
  const { [SUPERVISED]: supervised } = process.env
  if (supervised === undefined) return undefined
  delete process.env[SUPERVISED]
  const onMessage = (message: unknown): void => {
    const known = asToChild(message)
    if (known?.offstage === 'drain') drain()
    else if (known?.offstage === 'ping') tell({ offstage: 'pong', health: health() })
  }
  const ignore = (): void => undefined
  process.on('message', onMessage)
  process.on('disconnect', drain)
  process.on('SIGTERM', drain)
  // From the terminal they reach the supervisor too, which says what they mean.
  process.on('SIGINT', ignore)
  process.on('SIGHUP', ignore)
  // It may have died before this process listened.
  if (!process.connected) drain()
  // The channel alone must not keep a worker alive that has ended.
  process.channel?.unref()
  return {
    restarts: supervised === 'restarted',
    ready: () => tell({ offstage: 'ready' }),
    replace: (reason) => tell({ offstage: 'replace', reason }),
    leave: () => {
      process.off('message', onMessage)
      process.off('disconnect', drain)
      process.off('SIGTERM', drain)
      process.off('SIGINT', ignore)
      process.off('SIGHUP', ignore)
    },
  }
}

function tell(message: FromChild): void {
  // Where the supervisor dies meanwhile, the end of the channel says the rest.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined)
}

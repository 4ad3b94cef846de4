// One stack of the main thread, taken from another one through V8's inspector: connect, pause, look, let go. Nothing is
// attached before or after, so that a loop which is never blocked pays nothing.
//
// Protocol: https://chromedevtools.github.io/devtools-protocol/v8/Debugger/ and `inspector.Session.connectToMainThread`
// of Node. A pause takes effect when the next JavaScript runs: inside a native call, after it has returned.
import { type Debugger, type Runtime, Session } from 'node:inspector'
import { type Clock, sleep } from '../../runtime/clock.ts'
import { Scripts } from './scripts.ts'

export interface Sample {
  /** The innermost call in code of the user's own, else the innermost of all: `function (file:line:column)`. */
  readonly place: string | undefined
  /** The innermost call first. */
  readonly stack: readonly string[]
  /** The id of a job whose context is in reach of one of the calls. */
  readonly job: string | undefined
}

const PATIENCE_MS = 5_000
const MAX_FRAMES = 50
/** Calls in which to look for the context of a job, and variables in each. */
const MAX_SEARCHED = 12

/**
 * @param isOpen whether the loop is still in the block that is to be looked at: a pause that comes later is of no use
 * @returns undefined where the main thread could not be paused in time
 */
export async function sampleMainThread(
  clock: Clock,
  isOpen: () => boolean,
  session: InspectorSession = new Session(),
): Promise<Sample | undefined> {
  const scripts = new Scripts()
  try {
    session.connectToMainThread()
    session.on('Debugger.scriptParsed', ({ params }) => scripts.add(params))
    const paused = new Promise<Debugger.CallFrame[]>((resolve) => {
      session.on('Debugger.paused', ({ params }) => resolve(params.callFrames))
    })
    const ask = asking(session)
    await ask<undefined>('Debugger.enable')
    // Answered when the pause has been asked for, and not yet been made; refused where the session ends before.
    ask<undefined>('Debugger.pause').catch(() => undefined)
    const frames = await Promise.race([paused, sleep(clock, PATIENCE_MS)])
    if (frames === undefined || !isOpen()) return undefined
    const job = await jobIn(frames, ask)
    const stack = frames.slice(0, MAX_FRAMES).map((frame) => scripts.describe(frame))
    const own = frames.findIndex((frame) => scripts.isOwn(frame))
    return { place: stack[Math.max(0, own)], stack, job }
  } finally {
    // Ends the pause, and one that has not been made yet.
    session.disconnect()
  }
}

/** What is used of a session of the inspector. */
export type InspectorSession = Pick<Session, 'connectToMainThread' | 'disconnect' | 'post' | 'on'>

type Ask = <T>(method: string, params?: object) => Promise<T>

function asking(session: InspectorSession): Ask {
  return <T>(method: string, params?: object) =>
    new Promise<T>((resolve, reject) => {
      session.post(method, params, (error: Error | null, answer?: object) => {
        if (error === null) resolve(answer as T)
        else reject(new Error(`${method} was refused: ${error.message}`))
      })
    })
}

/**
 * Handlers have the context of their job as a variable, and so have the functions they pass it to. It is told by the name
 * of its class; where a bundler has renamed that, the job stays unknown.
 */
async function jobIn(frames: readonly Debugger.CallFrame[], ask: Ask): Promise<string | undefined> {
  const searched = frames.slice(0, MAX_SEARCHED)
  for (const { scopeChain } of searched) {
    for (const { type, object } of scopeChain) {
      if (type === 'global' || type === 'script' || type === 'module' || object.objectId === undefined)
        continue
      const { result } = await ask<Runtime.GetPropertiesReturnType>('Runtime.getProperties', {
        objectId: object.objectId,
        ownProperties: true,
      })
      const context = result.find(({ value }) => value?.className === 'JobContext')?.value?.objectId
      if (context === undefined) continue
      const { result: id } = await ask<Runtime.CallFunctionOnReturnType>('Runtime.callFunctionOn', {
        objectId: context,
        functionDeclaration: 'function () { return this.job.id }',
        returnByValue: true,
        silent: true,
      })
      if (typeof id.value === 'string') return id.value
    }
  }
  return undefined
}

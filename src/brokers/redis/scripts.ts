// The scripts as they are sent: each with the parts that it stands on before it. Lua in Redis has no modules, and a
// function may hold 200 names, so a script takes the parts that it needs and no more.
import { createHash } from 'node:crypto'
import type { Script } from './client.ts'
import { lua } from './lua.generated.ts'

const store = [lua.libBase, lua.libRecord, lua.libSignals]
const moves = [...store, lua.libLimits, lua.libLanes, lua.libMoves, lua.libDependents]
const claims = [...moves, lua.libClaims]

function script(name: string, parts: readonly string[], body: string): Script {
  // A function of its own has names of its own.
  const text = `${parts.join('\n')}\nreturn (function()\n${body}\nend)()`
  return { name, text, sha: createHash('sha1').update(text).digest('hex') }
}

export const scripts: {
  readonly [N in
    | 'open'
    | 'enqueue'
    | 'reserve'
    | 'settle'
    | 'extend'
    | 'maintain'
    | 'wait'
    | 'unwait'
    | 'get'
    | 'list'
    | 'steer'
    | 'publish'
    | 'queues'
    | 'pause'
    | 'limit'
    | 'beat'
    | 'putSchedule'
    | 'fire'
    | 'write'
    | 'counters']: Script
} = {
  open: script('open', [], lua.open),
  enqueue: script('enqueue', [...moves, lua.libEnqueue], lua.enqueue),
  reserve: script('reserve', claims, lua.reserve),
  settle: script('settle', [...claims, lua.libOutcomes], lua.settle),
  extend: script('extend', [...moves, lua.libOutcomes], lua.extend),
  maintain: script('maintain', [...claims, lua.libOutcomes], lua.maintain),
  wait: script('wait', claims, lua.wait),
  unwait: script('unwait', [lua.libBase], lua.unwait),
  get: script('get', store, lua.get),
  list: script('list', store, lua.list),
  steer: script('steer', [...moves, lua.libEnqueue], lua.steer),
  publish: script('publish', moves, lua.publish),
  queues: script('queues', store, lua.queues),
  pause: script('pause', store, lua.pause),
  limit: script('limit', moves, lua.limit),
  beat: script('beat', [lua.libBase], lua.beat),
  putSchedule: script('put-schedule', [lua.libBase], lua.putSchedule),
  fire: script('fire', [...moves, lua.libEnqueue], lua.fire),
  write: script('write', store, lua.write),
  counters: script('counters', store, lua.counters),
}

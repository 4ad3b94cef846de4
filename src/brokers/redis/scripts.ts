// The scripts as they are sent: each with the parts that it stands on. Lua in Redis has no modules, so a part is a
// function that returns what others use of it, and a script takes the parts that it needs and no more. Functions of
// their own keep the parts' names apart, and cheap: what shares a name with functions that are made at every call is
// searched for among all such names that stand open.
import { createHash } from 'node:crypto'
import type { Script } from './client/client.ts'
import { lua } from './lua.generated.ts'

const store = [lua.libBase, lua.libRecord, lua.libSignals]
const index = [lua.libFresh]
const rules = [lua.libLimits, lua.libLanes, lua.libMoves, lua.libDependents]
const moves = [...store, ...index, ...rules]
const straight = [...store, ...index, lua.libStraight]
const general = [...rules, lua.libClaims]

/** `local NAME = value`, one a line. */
const constants = new Map(
  Array.from(lua.constants.matchAll(/^local ([A-Z_]+) = (.+)$/gm), ([, name = '', value = '']) => [
    name,
    value,
  ]),
)

/** Where a script has a straight way and a general one, what stands after this line is the general one. */
const TURN = '--- general ---'

/** @param later parts that only the general way stands on: making their functions takes time at every call */
function script(name: string, parts: readonly string[], body: string, later: readonly string[] = []): Script {
  const [first = '', second = ''] = body.split(TURN)
  const all = [...parts.map(part), first, ...later.map(part), second]
  const text = inPlace(all.join('\n'))
  return { name, text, sha: createHash('sha1').update(text).digest('hex') }
}

/** @throws Error where the part does not end with what it returns */
function part(text: string): string {
  const names = /\nreturn ([\w, ]+)\s*$/.exec(text)?.[1]
  if (names === undefined)
    throw new Error('a part of the scripts ends with `return` and the names of what it offers')
  return `local ${names} = (function()\n${text}\nend)()`
}

/** Names of constants become their values; comments and indentation go, since the text is read at every first use. */
function inPlace(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('--'))
    .join('\n')
    .replace(/\b[A-Z][A-Z_]+\b/g, (name) => constants.get(name) ?? name)
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
  enqueue: script('enqueue', [...store, lua.libStraightEnqueue], lua.enqueue, [
    ...index,
    ...rules,
    lua.libEnqueue,
  ]),
  reserve: script('reserve', straight, lua.reserve, general),
  settle: script('settle', [...straight, lua.libStraightSettle], lua.settle, [...general, lua.libOutcomes]),
  extend: script('extend', [...moves, lua.libOutcomes], lua.extend),
  maintain: script('maintain', [...straight, ...general, lua.libOutcomes], lua.maintain),
  wait: script('wait', [...straight, ...general], lua.wait),
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

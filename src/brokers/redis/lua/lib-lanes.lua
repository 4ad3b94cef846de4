-- Where ready jobs stand and who is next. A lane is a queue's share for one partition, and for one task where that task
-- has a rule; suspects have lanes of their own. The open lanes of a queue take turns. A lane that finds no room in a
-- limit is closed and waits on it, so it is neither scanned nor in the way of others; room that comes opens as many
-- lanes as it has room for, and an open lane that leaves without using its room passes it on.
--
-- A lane is `<queue>\n<s where suspect>\n<task where it has a rule>\n<partition>`, and its jobs are in two places:
-- line:<lane>           list of new jobs of the usual priority in order: I7 sequence number, id. One that leaves otherwise
--                       than by a claim stays as a dead entry, which claims pass over; `stale` counts them by lane, and
--                       when they are many, upkeep moves the others to the set
-- lane:<lane>           zset of all other ready jobs by (9 - priority) * 2^48 + place in line
-- turns:<queue>         zset of open lanes by whose turn it is; suspects:<queue> the same for lanes of suspects
-- closed                hash: lane > the scope that it waits on
-- waiting:<scope>       set of `turns:<queue>` or `suspects:<queue>` that have lanes waiting on the scope
-- closed:<scope>\n<turns> zset of lanes that wait on the scope, by turn
-- timed:<queue>         zset of scopes by when their rate has room again


local knownLanes = {}
-- Sets of turns that lanes have come back to while the script ran.
local reopened = {}

local function laneName(job)
  local kind = kindOf(job.kind)
  local task = rules.any and rules['task\n' .. kind.task] and kind.task or ''
  return kind.queue .. '\n' .. (job.suspect and 's' or '') .. '\n' .. task .. '\n' .. (job.partition or '')
end

local function laneOf(name)
  local queue, suspect, task, partition = string.match(name, '^([^\n]*)\n(s?)\n([^\n]*)\n(.*)$')
  return {
    name = name, key = B .. 'lane:' .. name, line = B .. 'line:' .. name, queue = queue, suspect = suspect == 's',
    turns = B .. (suspect == 's' and 'suspects:' or 'turns:') .. queue,
    task = task ~= '' and task or nil, partition = partition ~= '' and partition or nil,
    next = 1, count = 0, taken = 0, passed = 0,
  }
end

-- The lane of that name for who puts jobs into it; one that is not there joins at the end of the turns.
local function openLane(name)
  local lane = knownLanes[name]
  if not lane then
    lane = laneOf(name)
    knownLanes[name] = lane
  end
  if not lane.known then
    lane.known = true
    if not (rules.any and call('HEXISTS', B .. 'closed', name) == 1) then
      expect(lane.turns, 'zset')
      -- Only a lane that is not there yet gets a turn.
      call('ZADD', lane.turns, 'NX', nextTurn(), name)
    end
  end
  return lane
end

-- What stands for a new job in lists.
local function entryOfNew(job)
  return string.sub(job.spec, 7, 13) .. job.id
end

-- Puts a ready job into its lane at job.pos. exact: where it does not come to the end
local function enterLane(job, exact)
  local lane = openLane(laneName(job))
  if job.fresh and job.priority == USUAL and not exact then
    push(lane.line, entryOfNew(job))
  else
    zset(lane.key, job.id, (9 - job.priority) * PLACES + job.pos)
  end
  notify(lane.queue)
end

-- What is gathered for its set is not there yet, and keeps it.
local function isEmpty(lane)
  return not zsets[lane.key] and call('EXISTS', lane.key, lane.line) == 0
end

-- The limits that bound a whole lane; the queue's is looked at before its lanes are.
local function boundsOf(lane)
  local bounds = {}
  if not rules.any then return bounds end
  if lane.task and rules['task\n' .. lane.task] then
    bounds[1] = scopeOf('task\n' .. lane.task, 'task\n' .. lane.task)
  end
  local byPartition = 'partition\n' .. lane.queue
  if lane.partition and rules[byPartition] then
    bounds[#bounds + 1] = scopeOf(byPartition .. '\n' .. lane.partition, byPartition)
  end
  return bounds
end

-- The queue of a `turns:<queue>` key; its name may hold colons.
local function queueName(turns)
  return string.match(string.sub(turns, #B + 1), '^%w+:(.*)$')
end

-- Sets when the lanes that wait on a scope are to be looked at again.
local function retime(scope)
  local waiting = call('SMEMBERS', B .. 'waiting:' .. scope.key)
  local at = #waiting > 0 and moreAt(scope) or nil
  for i = 1, #waiting do
    local key = B .. 'timed:' .. queueName(waiting[i])
    if at then call('ZADD', key, at, scope.key) else call('ZREM', key, scope.key) end
  end
end

-- A set of turns has no lane left that waits on a scope.
local function noneWaits(scope, turns)
  call('SREM', B .. 'waiting:' .. scope.key, turns)
  local queue = queueName(turns)
  local other = B .. (turns == B .. 'turns:' .. queue and 'suspects:' or 'turns:') .. queue
  if call('SISMEMBER', B .. 'waiting:' .. scope.key, other) == 0 then
    call('ZREM', B .. 'timed:' .. queue, scope.key)
  end
end

-- Opens up to `count` lanes of one set of turns that wait on a scope; false where none did.
local function openLanes(scope, turns, count)
  local key = B .. 'closed:' .. scope.key .. '\n' .. turns
  local rows = call('ZPOPMIN', key, min(count, MOST_TIMED))
  if #rows == 0 then
    noneWaits(scope, turns)
    return false
  end
  for i = 1, #rows, 2 do
    call('ZADD', turns, rows[i + 1], rows[i])
    call('HDEL', B .. 'closed', rows[i])
  end
  if call('EXISTS', key) == 0 then noneWaits(scope, turns) end
  reopened[turns] = true
  notify(queueName(turns), #rows / 2)
  return true
end

-- Opens up to `most` lanes of each set of turns that wait on a scope, as far as it has room.
local function fill(scope, most)
  local count = min(most, roomIn(scope))
  local waiting = call('SMEMBERS', B .. 'waiting:' .. scope.key)
  if #waiting == 0 then return end
  if count > 0 then
    for i = 1, #waiting do openLanes(scope, waiting[i], count) end
  end
  retime(scope)
end

-- An open lane has left the turns: room that it might have used goes to one that waits for it.
local function passOn(lane)
  local bounds = boundsOf(lane)
  for i = 1, #bounds do
    if roomIn(bounds[i]) > 0 and call('SISMEMBER', B .. 'waiting:' .. bounds[i].key, lane.turns) == 1 then
      openLanes(bounds[i], lane.turns, 1)
      retime(bounds[i])
    end
  end
end

-- The lane's last job has left it.
local function dropLane(lane)
  local known = knownLanes[lane.name]
  if known then known.known = false end
  call('HDEL', B .. 'stale', lane.name)
  if call('ZREM', lane.turns, lane.name) == 1 then
    passOn(lane)
    return
  end
  if not rules.any then return end
  local waitsOn = call('HGET', B .. 'closed', lane.name)
  if not waitsOn then return end
  call('HDEL', B .. 'closed', lane.name)
  local key = B .. 'closed:' .. waitsOn .. '\n' .. lane.turns
  call('ZREM', key, lane.name)
  local rule = string.match(waitsOn, '^(partition\n[^\n]*)\n') or waitsOn
  local scope = scopeOf(waitsOn, rule)
  if call('EXISTS', key) == 0 then noneWaits(scope, lane.turns) end
  retime(scope)
end

local function closeLane(lane, full)
  call('ZREM', lane.turns, lane.name)
  call('HSET', B .. 'closed', lane.name, full.key)
  call('ZADD', B .. 'closed:' .. full.key .. '\n' .. lane.turns, lane.turn, lane.name)
  call('SADD', B .. 'waiting:' .. full.key, lane.turns)
  retime(full)
  passOn(lane)
end

-- Takes a ready job out of its lane otherwise than by a claim.
local function leaveLane(job)
  flush()
  local kind = kindOf(job.kind)
  local rest = '\n' .. (job.partition or '')
  local first = kind.queue .. '\n' .. (job.suspect and 's' or '') .. '\n'
  local names = { first .. rest, first .. kind.task .. rest }
  for i = 1, 2 do
    local lane = laneOf(names[i])
    if call('ZREM', lane.key, job.id) == 1 then
      if isEmpty(lane) then dropLane(lane) end
      return
    end
  end
  call('HINCRBY', B .. 'stale', laneName(job), 1)
end

-- Opens the lanes of a queue that waited for the rate of a limit.
local function openTimed(queue)
  if not rules.any then return end
  local keys = call('ZRANGEBYSCORE', B .. 'timed:' .. queue, '-inf', now, 'LIMIT', 0, MOST_TIMED)
  for i = 1, #keys do
    local rule = string.match(keys[i], '^(partition\n[^\n]*)\n') or keys[i]
    local scope = scopeOf(keys[i], rule)
    call('ZREM', B .. 'timed:' .. queue, keys[i])
    fill(scope, math.huge)
  end
end

local function freeSlots(job)
  if not rules.any then return end
  local found = scopesOf(job)
  for i = 1, #found do
    vacate(found[i])
    fill(found[i], 1)
  end
  local queue = kindOf(job.kind).queue
  if rules['queue\n' .. queue] then notify(queue) end
end

local function occupySlots(job)
  if not rules.any then return end
  local found = scopesOf(job)
  for i = 1, #found do occupy(found[i]) end
end

return reopened, laneOf, entryOfNew, enterLane, isEmpty, boundsOf, fill, dropLane, closeLane, leaveLane, openTimed, freeSlots, occupySlots

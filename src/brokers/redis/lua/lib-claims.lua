-- Claiming: what is due is promoted, then jobs are taken from the lanes by turns, each with its lease and token.

local UNREADABLE = '{"name":"OffstageError","message":"the stored fields of the job cannot be read: its record is damaged",'
  .. '"code":"PAYLOAD_UNREADABLE","fingerprint":"PAYLOAD_UNREADABLE"}'

-- Takes a job whose kind and number are lost out of the indexes.
local function forget(id, live)
  local all = call('HGETALL', B .. 'kinds')
  local state = live and string.byte(live, 1)
  if state == FIRST_CLAIM and #live >= 30 then
    -- What was asked is noted there too, up to the kind.
    local kind = unpackFrom('>I2', live, 29)
    activeMoved[kind] = (activeMoved[kind] or 0) - 1
  end
  for i = 1, #all, 2 do
    if tonumber(all[i]) then
      if STATE[state] then zset(B .. 'in:' .. STATE[state] .. ':' .. all[i], id, false) end
      -- Never claimed: it stands among the oldest of its kind, since its turn has come.
      zset(B .. 'moved:' .. all[i], id, false)
      for _, entry in ipairs(live and {} or call('LRANGE', B .. 'fresh:' .. all[i], 0, 999)) do
        if string.sub(entry, 8) == id then leaveFresh(all[i], entry) end
      end
    end
  end
end

-- A damaged record becomes a dead letter whose input is the bytes that are left. queue: '?' where it is not known
local function bury(job, queue)
  flush()
  forget(job.id, call('HGET', B .. 'live', job.id))
  local spec = pack(HEAD, now, nextTick(), kindNumber(queue .. '\n?'), 1, 0, 0, 0) .. job.spec
  local mended = newJob(job.id, spec)
  hset(B .. 'jobs', job.id, spec)
  mended.fresh, mended.state, mended.reason, mended.error = false, FAILED, DAMAGED, UNREADABLE
  jobs[job.id] = mended
  touch(mended)
  indexAdd(mended)
  conclude(mended)
end

-- Makes up to `most` due jobs of a queue ready, the earliest first; answers how many.
local function promoteDue(queue, most)
  if most <= 0 then return 0 end
  local key = B .. 'due:' .. queue
  local ids = call('ZRANGEBYSCORE', key, '-inf', now, 'LIMIT', 0, most)
  if #ids == 0 then return 0 end
  load(ids)
  local ready = {}
  for i = 1, #ids do
    local job = jobs[ids[i]]
    if job and not job.damaged and job.state == SCHEDULED then
      ready[#ready + 1] = job
    else
      call('ZREM', key, ids[i])
      if job and job.damaged then bury(job, queue) end
    end
  end
  table.sort(ready, function(a, b)
    if a.dueAt == b.dueAt then return a.seq < b.seq end
    return a.dueAt < b.dueAt
  end)
  for i = 1, #ready do toReady(ready[i]) end
  return #ids
end

-- ── the open lanes of a queue by whose turn it is, as one claim walks them ──────────────────────────────────────────

local function newLine(turns)
  return { turns = turns, lanes = {}, first = 1, last = 0, upTo = '-inf', complete = false }
end

local function readLanes(line)
  local from = line.upTo == '-inf' and '-inf' or '(' .. string.format('%.0f', line.upTo)
  local rows = call('ZRANGEBYSCORE', line.turns, from, '+inf', 'WITHSCORES', 'LIMIT', 0, CHUNK)
  for i = 1, #rows, 2 do
    local lane = laneOf(rows[i])
    lane.turn = tonumber(rows[i + 1])
    line.upTo = lane.turn
    line.last = line.last + 1
    line.lanes[line.last] = lane
  end
  line.complete = #rows < CHUNK * 2
end

-- The lane whose turn it is; nil where none is open.
local function firstLane(line)
  while not line.complete and (line.first > line.last or line.lanes[line.first].moved) do
    -- Those that moved go behind all that are still to be read.
    local moved, number = {}, 0
    for i = line.first, line.last do
      number = number + 1
      moved[number] = line.lanes[i]
    end
    line.last = line.first - 1
    readLanes(line)
    for i = 1, number do line.lanes[line.last + i] = moved[i] end
    line.last = line.last + number
  end
  return line.lanes[line.first]
end

local function popLane(line)
  local lane = line.lanes[line.first]
  line.lanes[line.first] = nil
  line.first = line.first + 1
  return lane
end

-- Takes what was claimed out of a lane: `taken` from the set, `passed` from the list. What is gathered for the set is sent
-- later: it may belong before those that are taken out by their rank here.
local function cut(lane)
  if lane.taken > 0 then call('ZREMRANGEBYRANK', lane.key, 0, lane.taken - 1) end
  if lane.passed > 0 then call('LTRIM', lane.line, lane.passed, -1) end
  if (lane.dead or 0) > 0 then call('HINCRBY', B .. 'stale', lane.name, -lane.dead) end
  lane.taken, lane.passed, lane.dead = 0, 0, 0
end

-- Writes what the claim did to the lanes that are still in line, and forgets them.
local function saveLine(line)
  local add = {}
  for i = line.first, line.last do
    local lane = line.lanes[i]
    local mayBeEmpty = lane.taken + lane.passed > 0 and lane.next > lane.count
    cut(lane)
    if mayBeEmpty and isEmpty(lane) then
      dropLane(lane)
    elseif lane.moved then
      add[#add + 1] = lane.turn
      add[#add + 1] = lane.name
    end
  end
  send('ZADD', line.turns, add)
  line.lanes, line.first, line.last, line.upTo, line.complete = {}, 1, 0, '-inf', false
end

-- The lanes have changed under the line: it is read anew.
local function restart(line)
  saveLine(line)
  flush()
  reopened[line.turns] = nil
end

-- Reads the next jobs of a lane ahead.
local function readHeads(lane, wanted)
  local rows = call('ZRANGE', lane.key, lane.taken, lane.taken + wanted - 1, 'WITHSCORES')
  local entries = call('LRANGE', lane.line, lane.passed, lane.passed + wanted - 1)
  local ids, scores, listed, number = {}, {}, {}, 0
  local r, e = 1, 1
  local usual = (9 - USUAL) * PLACES
  while number < wanted and (rows[r] or entries[e]) do
    local score = rows[r] and tonumber(rows[r + 1])
    local seq = entries[e] and unpackFrom('>I7', entries[e])
    number = number + 1
    if seq and (not score or usual + seq < score) then
      ids[number], scores[number], listed[number] = string.sub(entries[e], 8), usual + seq, seq
      e = e + 1
    else
      ids[number], scores[number] = rows[r], score
      r = r + 2
    end
  end
  lane.ids, lane.scores, lane.listed, lane.next, lane.count = ids, scores, listed, 1, number
  lane.whole = number < wanted
  load(ids)
end

-- The job at the head of a lane has left otherwise than by a claim, and its entry stayed.
local function isDead(lane)
  local seq = lane.listed[lane.next]
  if not seq then return false end
  local job = jobs[lane.ids[lane.next]]
  if job and job.damaged then return false end
  return not job or job.seq ~= seq or not job.fresh or job.state ~= READY
end

-- The head of a lane is dealt with.
local function pass(lane)
  if lane.listed[lane.next] then lane.passed = lane.passed + 1 else lane.taken = lane.taken + 1 end
  lane.next = lane.next + 1
end

-- Its task got a rule while it stood in the shared lane.
local function isMisplaced(lane)
  if not rules.any or lane.task then return false end
  local job = jobs[lane.ids[lane.next]]
  return job and not job.damaged and rules['task\n' .. kindOf(job.kind).task] ~= nil
end

local function moveToOwnLanes(lane, moves)
  while moves.left > 0 and lane.next <= lane.count and isMisplaced(lane) do
    local job = jobs[lane.ids[lane.next]]
    job.pos = lane.scores[lane.next] % PLACES
    enterLane(job, true)
    pass(lane)
    moves.left = moves.left - 1
  end
end

-- The next job of a set of turns, left where it stands: its lane, id and score; nil where there is none. Closes lanes
-- without room on the way.
local function nextHead(line, wanted, moves)
  while true do
    local lane = firstLane(line)
    if not lane then return nil end
    if lane.next > lane.count and not lane.whole then
      readHeads(lane, math.ceil(wanted / max(1, line.last - line.first + 1)))
    end
    if lane.next > lane.count then
      popLane(line)
      cut(lane)
      if isEmpty(lane) then dropLane(lane) end
      if reopened[line.turns] then restart(line) end
    elseif isDead(lane) then
      if moves.dead == 0 then
        moves.unsorted = true
        return nil
      end
      moves.dead = moves.dead - 1
      lane.dead = (lane.dead or 0) + 1
      pass(lane)
    elseif isMisplaced(lane) then
      moveToOwnLanes(lane, moves)
      restart(line)
      if moves.left == 0 then
        moves.unsorted = true
        return nil
      end
    else
      local full
      local bounds = boundsOf(lane)
      for i = 1, #bounds do
        if not full and roomIn(bounds[i]) == 0 then full = bounds[i] end
      end
      if not full then return lane, lane.ids[lane.next], lane.scores[lane.next] end
      popLane(line)
      cut(lane)
      closeLane(lane, full)
      if reopened[line.turns] then restart(line) end
    end
  end
end

-- ── the claim ────────────────────────────────────────────────────────────────────────────────────────────────────

local function claim(job, score, request, started)
  indexRemove(job)
  touch(job)
  if job.expiresAt and not job.begun then zset(B .. 'expiries', job.id, false) end
  job.state, job.pos, job.token, job.worker = ACTIVE, score % PLACES, nextToken(), request.worker
  job.claimedAt, job.started = now, started
  if started then job.startedAt = now end
  if job.holdsKey and linksOf(job).whileWaiting then freeKey(job) end
  zset(B .. 'leases', job.id, now + request.leaseMs)
  indexAdd(job)
  occupySlots(job)
  tell(job)
end

local function packClaim(job)
  return pack('>BI7I2I2BI6dI2I2c0I4c0I4c0', 0, job.token, min(job.failures, 65535), min(job.crashes, 65535),
    job.suspect and 1 or 0, job.unknownSince, job.dueAt or -1, job.kind, #job.id, job.id, #job.progress, job.progress,
    #job.spec, job.spec)
end

local function hasExpired(job)
  return not job.begun and job.expiresAt ~= nil and job.expiresAt <= now
end

-- Claims from one queue; `left` holds what the whole call may still do, `out` the packed claims.
local function claimFrom(queue, request, left, out)
  local normal, suspects = newLine(B .. 'turns:' .. queue), newLine(B .. 'suspects:' .. queue)
  local rule = 'queue\n' .. queue
  local whole = rules.any and rules[rule] and scopeOf(rule, rule)
  while #out < request.max and left.expiries > 0 do
    if whole and roomIn(whole) == 0 then break end
    local line, lane, id, score = suspects, nil, nil, nil
    if left.suspects > 0 then lane, id, score = nextHead(suspects, 1, left.moves) end
    if not lane then
      line = normal
      lane, id, score = nextHead(normal, request.max - #out, left.moves)
    end
    if not lane then break end
    pass(lane)
    local job = jobs[id]
    if not job or (not job.damaged and job.state ~= READY) then
      -- Somebody has deleted its record by hand.
      left.expiries = left.expiries - 1
    elseif job.damaged or hasExpired(job) then
      left.expiries = left.expiries - 1
      job.inHand = true
      if job.damaged then bury(job, queue) else finish(job, CANCELLED, EXPIRED) end
      if parcels[1] then
        spread()
        restart(normal)
        restart(suspects)
      end
    else
      if job.suspect then left.suspects = left.suspects - 1 end
      claim(job, score, request, not job.suspect and #out < request.starting)
      out[#out + 1] = packClaim(job)
      left.kinds[job.kind] = true
      if line.first < line.last or not line.complete then
        lane.turn, lane.moved = nextTurn(), true
        popLane(line)
        line.last = line.last + 1
        line.lanes[line.last] = lane
      end
    end
  end
  saveLine(suspects)
  saveLine(normal)
end

-- When something of a queue falls due by itself: a scheduled job, or room in a rate; nil else.
local function nextDueAt(queue)
  local first = call('ZRANGE', B .. 'due:' .. queue, 0, 0, 'WITHSCORES')[2]
  local at = first and tonumber(first)
  if not rules.any then return at end
  local timed = tonumber(call('ZRANGE', B .. 'timed:' .. queue, 0, 0, 'WITHSCORES')[2] or nil)
  if timed and (not at or timed < at) then at = timed end
  local rule = 'queue\n' .. queue
  if rules[rule] and call('EXISTS', B .. 'turns:' .. queue, B .. 'suspects:' .. queue) > 0 then
    local scope = scopeOf(rule, rule)
    local more = roomIn(scope) == 0 and moreAt(scope) or nil
    if more and (not at or more < at) then at = more end
  end
  return at
end

-- The general way of a claim; `text` and the answer as `reservePlain` has them.
local function reserve(text)
  flush()
  local request = readRequest(text)
  local queues, out, kinds = request.queues, {}, {}
  local left = { promotions = STEP, expiries = STEP, suspects = request.suspects, kinds = kinds,
    moves = { left = MOST_MOVES, dead = MOST_DEAD } }
  local states = ask('HMGET', B .. 'queues', queues)
  local unsorted = false
  for i = 1, #queues do
    if states[i] == '' then
      local queue = queues[i]
      left.promotions = left.promotions - promoteDue(queue, left.promotions)
      openTimed(queue)
      flush()
      if not rules.any and not listened() and #out < request.max then
        local batch = gather(queue, request.max - #out)
        if batch then commit(batch, request, out, kinds, function() dropLane(laneOf(batch.name)) end) end
        flush()
      end
      claimFrom(queue, request, left, out)
      unsorted = unsorted or left.moves.unsorted
    end
  end
  flush()
  local drained = #out < request.max and left.expiries > 0 and not unsorted
  local dueAt = (left.expiries == 0 or unsorted) and now or nil
  if not dueAt then
    for i = 1, #queues do
      local at = states[i] == '' and nextDueAt(queues[i]) or nil
      if at and (not dueAt or at < dueAt) then dueAt = at end
    end
  end
  return answerOf(request, states, out, kinds, drained, dueAt)
end

return promoteDue, bury, nextDueAt, reserve

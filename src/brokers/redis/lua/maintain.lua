--[[
One bounded step of upkeep: promotes what is due, returns what lost its worker, spreads what followed from an outcome,
expires, prunes.

After an outage of the server nobody could renew a lease, so nothing is taken back for as long as it was away, at most
one lease. Two things together tell an outage from workers that died: no upkeep has been served for that long, and the
caller says that it was kept waiting meanwhile (in this call, or by a lost connection).

KEYS[1]  base of the keys
ARGV[1]  how long the caller was kept waiting by the server before this call (ms)
ARGV[2]  broker time at which the call left, as the caller reckons; 0 where it does not know
Returns  { promoted, reclaimed, expired, pruned, spread, 1 where there is more, ms until there is something or -1 }
Cost     at most 200 jobs of each kind; O(queues) without any
Caller   any worker at any time
]]
evenWithoutMemory()
local OUTAGE_MS = 1000
local STAGED_MS = 86400000
local seen, grace = unpack(call('HMGET', B .. 'meta', 'seen', 'grace'))
local sentAt = tonumber(ARGV[2])
local waited = max(tonumber(ARGV[1]), sentAt > 0 and now - sentAt or 0)
seen, grace = tonumber(seen or now - waited), tonumber(grace or 0)
if waited >= OUTAGE_MS and now - seen >= OUTAGE_MS then
  grace = now + min(now - seen, longestLease)
end
call('HSET', B .. 'meta', 'seen', now, 'grace', grace)

local spreadCount = spreadOutbox(STEP)
local queues = call('HKEYS', B .. 'queues')
local promoted = 0
for i = 1, #queues do
  if promoted < STEP then promoted = promoted + promoteDue(queues[i], STEP - promoted) end
end
flush()

-- Does something to the jobs of a sorted set whose time has come, at most STEP of them. Each act takes its job out.
local function each(key, state, act)
  local ids = call('ZRANGEBYSCORE', B .. key, '-inf', now, 'LIMIT', 0, STEP)
  load(ids)
  local dangling = {}
  for i = 1, #ids do
    local job = jobs[ids[i]]
    if job and not job.damaged and state(job) then
      act(job)
    else
      dangling[#dangling + 1] = ids[i]
      if job and job.damaged then bury(job, '?') end
    end
  end
  flush()
  send('ZREM', B .. key, dangling)
  return #ids
end

local reclaimed = 0
if now >= grace then
  reclaimed = each('leases', function(job) return job.state == ACTIVE end, loseOne)
end
local expired = each('expiries', function(job) return job.state < ACTIVE and not job.begun end,
  function(job) finish(job, CANCELLED, EXPIRED) end)

local givenUp = 0
local stale = call('ZRANGEBYSCORE', B .. 'staged', '-inf', now - STAGED_MS, 'LIMIT', 0, 10)
for i = 1, #stale do
  local entries = call('ZRANGE', B .. 'staged:' .. stale[i], 0, STEP - givenUp - 1)
  if #entries == 0 then call('ZREM', B .. 'staged', stale[i]) end
  for e = 1, #entries do
    local job = jobOf(string.sub(entries[e], 9))
    if job and not job.damaged and job.state == BLOCKED then
      erase(job)
      givenUp = givenUp + 1
    else
      call('ZREM', B .. 'staged:' .. stale[i], entries[e])
    end
  end
  if givenUp >= STEP then break end
end
-- After the others, so that what they ended and keeps for no time goes at once.
if parcels[1] then spread() end
flush()
local function isEnded(job) return job.state >= SUCCEEDED end
local pruned = each('prunes', isEnded, discard) + givenUp

-- The records of those that are kept as long as usual, in the order of their end.
local function prune(state)
  local key = B .. 'pruning:' .. STATE[state]
  local entries, ids, due = call('LRANGE', key, 0, STEP - pruned - 1), {}, 0
  for i = 1, #entries do
    if unpackFrom('>I6', entries[i]) > now then break end
    due = i
    ids[i] = string.sub(entries[i], 7)
  end
  if due == 0 then return 0 end
  load(ids)
  for i = 1, due do
    local job = jobs[ids[i]]
    -- Run again, removed or needed by others meanwhile: then this entry is not the one that counts.
    if job and not job.damaged and job.state == state and neededBy(job.id) == 0
      and job.endedAt + keptMs(job, state) == unpackFrom('>I6', entries[i]) then discard(job) end
  end
  call('LTRIM', key, due, -1)
  flush()
  return due
end
for state = SUCCEEDED, CANCELLED do
  if pruned < STEP then pruned = pruned + prune(state) end
end

-- Lanes whose lists have more dead entries than others: the others move to the set, some at a time.
local MANY_DEAD = 1000
local compacting = false
local dead = call('HGETALL', B .. 'stale')
for i = 1, #dead, 2 do
  local lane, number = laneOf(dead[i]), tonumber(dead[i + 1])
  if number >= MANY_DEAD and 2 * number >= call('LLEN', lane.line) then
    local entries, ids = call('LPOP', lane.line, STEP) or {}, {}
    for e = 1, #entries do ids[e] = string.sub(entries[e], 8) end
    load(ids)
    for e = 1, #entries do
      local job, seq = jobs[ids[e]], unpackFrom('>I7', entries[e])
      if job and job.seq == seq and job.fresh and job.state == READY then
        zset(lane.key, job.id, (9 - USUAL) * PLACES + seq)
      else
        call('HINCRBY', B .. 'stale', lane.name, -1)
      end
    end
    flush()
    if isEmpty(lane) then dropLane(lane) elseif #entries == STEP then compacting = true end
  end
end

local faded = call('ZRANGEBYSCORE', B .. 'fading', '-inf', now, 'LIMIT', 0, STEP)
for i = 1, #faded do
  call('ZREM', B .. 'fading', faded[i])
  local scope = scopeOf(faded[i], '')
  changedScopes[scope] = true
end
flush()

local nextAt
local function soonest(key, at)
  local first = call('ZRANGE', B .. key, 0, 0, 'WITHSCORES')[2]
  if first and (not nextAt or tonumber(first) + at < nextAt) then nextAt = tonumber(first) + at end
end
for i = 1, #queues do soonest('due:' .. queues[i], 0) end
soonest('leases', 0)
if nextAt and nextAt < grace then nextAt = grace end
soonest('expiries', 0)
soonest('prunes', 0)
for state = SUCCEEDED, CANCELLED do
  local first = call('LINDEX', B .. 'pruning:' .. STATE[state], 0)
  local at = first and unpackFrom('>I6', first)
  if at and (not nextAt or at < nextAt) then nextAt = at end
end
soonest('staged', STAGED_MS)
local undelivered = call('EXISTS', B .. 'outbox') == 1
if undelivered then nextAt = now end
local most = max(spreadCount, promoted, reclaimed, expired, pruned)
sendSignals()
return { promoted, reclaimed, expired, pruned, spreadCount, (undelivered or compacting or most >= STEP) and 1 or 0,
  nextAt and max(0, math.ceil(nextAt - now)) or -1 }

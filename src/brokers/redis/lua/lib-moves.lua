-- The moves of a job between its states. Each keeps everything in step: indexes, lanes and slots, due times, leases,
-- unique keys, counters, events, and the parcels for dependents.
--
-- fresh:<kind>         list of jobs that may run and were never claimed, in order: I7 sequence number, id. For each that
--                      leaves, the first entry is taken out; if that was another's, the other moves to
-- moved:<kind>         zset of them by sequence number. So the list has as many entries as there are such jobs, and the
--                      entries of those that left are passed over
-- in:<state>:<kind>    zset of jobs in all other states by sequence number, but for
-- active               hash: kind > how many are active; which ones, `leases` tells
-- due:<queue>          zset of scheduled jobs by due time
-- leases               zset of active jobs by the end of their lease
-- expiries             zset of waiting jobs that expire, by when
-- pruning:<state>      list of jobs that ended so and are kept as long as usual: I6 when the record goes, id; an entry that
--                      is not true any more is passed over
-- prunes               zset of other ended jobs by when their record goes
-- unique               hash: key > id of the job that holds it
-- search:<field>=<value>, workflow:<name>  zsets of jobs by sequence number
-- needs                hash: id > how many unfinished jobs need its record
-- deps:<id>            list of who waits for it: I7 sequence number, B when, id
-- staged               zset of workflows by when their last job came; staged:<workflow> zset of entries as in deps
-- outbox               list of parcels on their way: state, l or z, number; parcel:<number> what was deps or staged
-- log:<id>, steps:<id> what attempts wrote
-- tomb:<id>            string with a time to live: outcome and token of the last settle of a job whose record is gone

local parcels = {}

-- The records of others are needed by somebody; with none, most questions need not be asked.
local needs = { any = call('EXISTS', B .. 'needs') == 1 }

local function indexKey(job)
  return B .. 'in:' .. STATE[job.state] .. ':' .. job.kind
end

local function indexAdd(job)
  if job.state == ACTIVE then
    activeMoved[job.kind] = (activeMoved[job.kind] or 0) + 1
  elseif job.fresh and job.state == READY then
    push(B .. 'fresh:' .. job.kind, entryOfNew(job))
  else
    zset(indexKey(job), job.id, job.seq)
  end
end

local function indexRemove(job)
  if job.state == ACTIVE then
    activeMoved[job.kind] = (activeMoved[job.kind] or 0) - 1
  elseif job.fresh and job.state == READY then
    leaveFresh(job.kind, entryOfNew(job))
  else
    zset(indexKey(job), job.id, false)
  end
end

local function entryOf(job, when)
  return pack('>I7B', job.seq, when) .. job.id
end

local function unstage(job)
  local workflow = linksOf(job).workflow
  call('ZREM', B .. 'staged:' .. workflow, entryOf(job, 2))
  if call('EXISTS', B .. 'staged:' .. workflow) == 0 then call('ZREM', B .. 'staged', workflow) end
  job.staged = false
end

-- Out of everything that its state put it into.
local function leave(job)
  indexRemove(job)
  local state = job.state
  if job.expiresAt and not job.begun then zset(B .. 'expiries', job.id, false) end
  if state == READY then
    -- A claim that has it in hand takes it out of its lane itself.
    if not job.inHand then leaveLane(job) end
  elseif state == SCHEDULED then
    zset(B .. 'due:' .. kindOf(job.kind).queue, job.id, false)
  elseif state == ACTIVE then
    zset(B .. 'leases', job.id, false)
    freeSlots(job)
    job.token, job.worker, job.started, job.claimedAt = 0, '', false, 0
  elseif state == BLOCKED and job.staged then
    unstage(job)
  end
end

-- Into everything that its state wants.
local function settleIn(job)
  indexAdd(job)
  if job.expiresAt and not job.begun then zset(B .. 'expiries', job.id, job.expiresAt) end
  if job.state == READY then
    enterLane(job)
  elseif job.state == SCHEDULED then
    local queue = kindOf(job.kind).queue
    local key = B .. 'due:' .. queue
    local first = call('ZRANGE', key, 0, 0, 'WITHSCORES')
    if not first[2] or job.dueAt < tonumber(first[2]) then notifyDue(queue) end
    zset(key, job.id, job.dueAt)
  end
  tell(job)
end

local function enter(job, state)
  leave(job)
  touch(job)
  job.state = state
  settleIn(job)
end

-- To the end of its lane.
local function toReady(job)
  job.pos = nextTick()
  enter(job, READY)
end

-- Due at a time; at once where it has come.
local function toScheduled(job, dueAt)
  job.dueAt = dueAt
  if dueAt <= now then toReady(job) else enter(job, SCHEDULED) end
end

local function freeKey(job)
  if job.holdsKey then
    hset(B .. 'unique', linksOf(job).unique, false)
    job.holdsKey = false
  end
end

local function neededBy(id)
  if not needs.any then return 0 end
  return tonumber(call('HGET', B .. 'needs', id) or 0)
end

-- Notes the records that a job needs until it has ended, so that they outlive their retention.
local function hold(job)
  local after = linksOf(job).after
  if not after then return end
  for i = 1, #after do
    if jobOf(after[i].id) then
      call('HINCRBY', B .. 'needs', after[i].id, 1)
      needs.any = true
      zset(B .. 'prunes', after[i].id, false)
    end
  end
  job.holding = true
end

local function letGo(job)
  local after = linksOf(job).after
  if not after then return end
  for i = 1, #after do
    local id = after[i].id
    local other = neededBy(id) > 0 and jobOf(id)
    if other then
      if call('HINCRBY', B .. 'needs', id, -1) <= 0 then
        call('HDEL', B .. 'needs', id)
        if not other.damaged and other.state >= SUCCEEDED then
          zset(B .. 'prunes', id, other.endedAt + keptMs(other, other.state))
        else
          -- Whoever stands there has ended: nobody is to be told.
          call('DEL', B .. 'deps:' .. id)
        end
      end
    end
  end
end

-- News for dependents; it leaves when `spread` is called. kind: l for a list, z for a sorted set
local function sendParcel(state, kind, key)
  local number = string.format('%.0f', nextTick())
  call('RENAME', key, B .. 'parcel:' .. number)
  parcels[#parcels + 1] = state .. kind .. number
end

-- Takes the record away; the job has ended.
local function discard(job)
  local id = job.id
  indexRemove(job)
  dirty[job] = nil
  hset(B .. 'jobs', id, false)
  hset(B .. 'live', id, false)
  zset(B .. 'prunes', id, false)
  if job.linksText then
    local links = linksOf(job)
    if links.workflow then zset(B .. 'workflow:' .. links.workflow, id, false) end
    for i = 1, #(links.search or {}) do zset(B .. 'search:' .. links.search[i], id, false) end
  end
  if job.logs then call('DEL', B .. 'log:' .. id) end
  if job.steps then call('DEL', B .. 'steps:' .. id) end
  if needs.any then call('HDEL', B .. 'needs', id) end
  local left = job.endedAt + TOMBSTONE_MS - now
  if job.settledToken > 0 and left > 0 then
    call('SET', B .. 'tomb:' .. id, pack('>BI7', job.settledKind, job.settledToken), 'PX', left)
  end
  jobs[id] = false
  job.gone = true
end

local function conclude(job)
  local id, state = job.id, job.state
  job.endedAt = now
  job.cancelling = false
  job.depsLeft = 0
  count(job, state == SUCCEEDED and 's' or state == FAILED and 'f' or 'c', 1)
  if needs.any and call('EXISTS', B .. 'deps:' .. id) == 1 then sendParcel(state, 'l', B .. 'deps:' .. id) end
  tell(job)
  if neededBy(id) > 0 then return end
  local kept = keptMs(job, state)
  if kept == 0 then
    discard(job)
  elseif linksOf(job).kept then
    zset(B .. 'prunes', id, now + kept)
  else
    push(B .. 'pruning:' .. STATE[state], pack('>I6', now + kept) .. id)
  end
end

-- Ends a job that has not ended. Its dependents hear of it when `spread` is called, which the caller does.
local function finish(job, state, reason)
  leave(job)
  touch(job)
  freeKey(job)
  job.state, job.reason = state, reason
  indexAdd(job)
  if job.linksText then letGo(job) end
  conclude(job)
end

-- Removes the record of a job that is not active; a waiting one is cancelled first.
local function erase(job)
  if job.state < SUCCEEDED then finish(job, CANCELLED, BY_REQUEST) end
  if not job.gone then discard(job) end
end

-- Runs an ended job again from the start. The caller has seen to its unique key.
local function revive(job)
  zset(B .. 'prunes', job.id, false)
  job.reason, job.error, job.endedAt, job.failures, job.crashes, job.unknownSince = 0, '', 0, 0, 0, 0
  job.suspect, job.begun, job.cancelling, job.depsLeft, job.result = false, true, false, 0, ''
  if job.linksText then hold(job) end
  toReady(job)
end

return parcels, needs, indexAdd, indexRemove, entryOf, settleIn, enter, toReady, toScheduled, freeKey, neededBy, hold, sendParcel, discard, conclude, finish, erase, revive

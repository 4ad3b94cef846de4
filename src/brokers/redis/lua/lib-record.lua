-- Jobs as the store has them, in two packed values: what was asked (`jobs`, written once) and what became of it
-- (`live`, absent while a job that may run at once has never been claimed). `wire/records.ts` reads the same layout.
--
-- jobs   > I6 created at · I7 sequence number · I2 kind · B layout (1) · I2 flags · B priority · B codec of the input
--          · d run at (flag 1) · d expires at (flag 2) · I2 record version (flag 4) · I2 length, partition (flag 8)
--          · I4 length, links (flag 16) · I4 length, rare fields as JSON, never read here (flag 32) · input
-- links  what scripts need of the rare fields, each with a letter before it:
--          u B during (1 unfinished, 2 waiting) I2c0 key · w B staged I2c0 workflow · s B count, each I2c0 field I2c0 value
--          · a I2 count, each B when (1 succeeded, 2 ended) I2c0 id · r I7 succeeded I7 failed I7 cancelled (ms) I2 maxCrashes
-- live   see LIVE below; two short forms for what most jobs go through, told by their first byte:
--        129 first claim of a plain job (no links, no expiry): I7 token · I6 claimed at · B started · the first 15 bytes of
--            what was asked · worker
--        130 which then succeeded: I7 token · I6 started at · I6 ended at · Bc0 worker · result
--        attempts are I4 length, B outcome, I7 token, I6 started at, I6 ended at, Bc0 worker, I4c0 error

local STATE = { 'blocked', 'scheduled', 'ready', 'active', 'succeeded', 'failed', 'cancelled' }


-- state, reason, flags, failures, crashes, place, due at (-1 none), started at, ended at, unknown since (0 none),
-- token of the claim (0 none), outcome and token of the last settle (0 none), claimed at, dependencies left,
-- worker, error, progress, number of attempts, attempts, result

local DEFAULT_KEPT = { [SUCCEEDED] = 3600000, [FAILED] = 1209600000, [CANCELLED] = 1209600000 }

local function has(flags, flag)
  return floor(flags / flag) % 2 == 1
end

-- ── kinds: a queue and a task have a number together ─────────────────────────────────────────────────────────────

local kindNames, kindNumbers = {}, {}

-- { queue, task } of a number
local function kindOf(number)
  local kind = kindNames[number]
  if kind then return kind end
  local text = call('HGET', B .. 'kinds', number) or '?\n?'
  local queue, task = string.match(text, '^([^\n]*)\n(.*)$')
  kind = { queue = queue, task = task, text = text }
  kindNames[number] = kind
  return kind
end

-- The number of `queue\ntask`; the first use makes it.
local function kindNumber(text)
  local number = kindNumbers[text]
  if number then return number end
  number = tonumber(call('HGET', B .. 'kinds', text) or nil)
  if not number then
    number = call('HINCRBY', B .. 'kinds', 'last', 1)
    if number > MOST_KINDS then error('KINDS there are ' .. MOST_KINDS .. ' pairs of a queue and a task') end
    call('HSET', B .. 'kinds', text, number, number, text)
    call('HSETNX', B .. 'queues', string.match(text, '^[^\n]*'), '')
  end
  kindNumbers[text] = number
  return number
end

-- ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

-- By id: a job, or false where there is none.
local jobs = {}
local dirty = {}

-- The fields of a job that stand behind the head; nil where the bytes are too few.
local function readTail(job)
  local spec, flags, at = job.spec, job.flags, HEAD_BYTES + 1
  if has(flags, RUN_AT) then
    job.runAt, at = unpackFrom('>d', spec, at)
  end
  if has(flags, EXPIRES) then
    job.expiresAt, at = unpackFrom('>d', spec, at)
  end
  if has(flags, VERSIONED) then at = at + 2 end
  if has(flags, PARTITION) then
    job.partition, at = unpackFrom('>I2c0', spec, at)
  end
  if has(flags, LINKS) then
    job.linksText, at = unpackFrom('>I4c0', spec, at)
  end
end

local function newJob(id, spec)
  local createdAt, seq, kind, _, flags, priority = unpackFrom(HEAD, spec)
  local job = {
    id = id, spec = spec, flags = flags, createdAt = createdAt, seq = seq, kind = kind, priority = priority,
    state = READY, reason = 0, failures = 0, crashes = 0, pos = 0, startedAt = 0, endedAt = 0, unknownSince = 0,
    token = 0, settledKind = 0, settledToken = 0, claimedAt = 0, depsLeft = 0, worker = '', error = '', progress = '',
    attemptCount = 0, attempts = '', result = '', fresh = true,
  }
  if flags % 32 ~= 0 then readTail(job) end
  job.dueAt = job.runAt
  return job
end

-- endedAt: default now
local function addAttempt(job, outcome, startedAt, err, endedAt)
  local text = pack('>BI7I6I6Bc0I4c0', outcome, job.token, startedAt, endedAt or now, #job.worker, job.worker, #err, err)
  if job.attemptCount == MAX_ATTEMPTS then
    local length = unpackFrom('>I4', job.attempts)
    job.attempts = string.sub(job.attempts, 5 + length)
    job.attemptCount = MAX_ATTEMPTS - 1
  end
  job.attempts = job.attempts .. pack('>I4c0', #text, text)
  job.attemptCount = job.attemptCount + 1
end

-- Unique key, workflow, search fields, dependencies, retention of a job.
local function linksOf(job)
  if job.links then return job.links end
  local links = {}
  local text, at = job.linksText or '', 1
  while at <= #text do
    local letter = string.sub(text, at, at)
    at = at + 1
    if letter == 'u' then
      local during
      during, links.unique, at = unpackFrom('>BI2c0', text, at)
      links.whileWaiting = during == 2
    elseif letter == 'w' then
      local staged
      staged, links.workflow, at = unpackFrom('>BI2c0', text, at)
      links.staged = staged == 1
    elseif letter == 's' then
      local count
      count, at = unpackFrom('>B', text, at)
      links.search = {}
      for i = 1, count do
        local field, value
        field, value, at = unpackFrom('>I2c0I2c0', text, at)
        links.search[i] = field .. '=' .. value
      end
    elseif letter == 'a' then
      local count
      count, at = unpackFrom('>I2', text, at)
      links.after = {}
      for i = 1, count do
        local when, id
        when, id, at = unpackFrom('>BI2c0', text, at)
        links.after[i] = { id = id, when = when }
      end
    else
      local succeeded, failed, cancelled
      succeeded, failed, cancelled, links.maxCrashes, at = unpackFrom('>I7I7I7I2', text, at)
      links.kept = { [SUCCEEDED] = succeeded, [FAILED] = failed, [CANCELLED] = cancelled }
    end
  end
  job.links = links
  return links
end

local function parse(id, spec, live)
  local job = newJob(id, spec)
  local form = live and string.byte(live, 1)
  if form == FIRST_CLAIM then
    local _, started
    _, job.token, job.claimedAt, started = unpackFrom('>BI7I6B', live)
    job.worker, job.fresh, job.state, job.pos = string.sub(live, 31), false, ACTIVE, job.seq
    job.started = started == 1
    if job.started then job.startedAt = job.claimedAt end
  elseif form == FIRST_SUCCESS then
    local _, at
    _, job.token, job.startedAt, job.endedAt, job.worker, at = unpackFrom('>BI7I6I6Bc0', live)
    job.result, job.fresh, job.state, job.pos, job.begun = string.sub(live, at), false, SUCCEEDED, job.seq, true
    job.settledKind, job.settledToken = 1, job.token
    addAttempt(job, 1, job.startedAt, '', job.endedAt)
    job.token, job.worker = 0, ''
  elseif live then
    local state, reason, flags, failures, crashes, pos, dueAt, startedAt, endedAt, unknownSince, token, settledKind,
      settledToken, claimedAt, depsLeft, worker, err, progress, attemptCount, attempts, result = unpackFrom(LIVE, live)
    job.fresh = false
    job.state, job.reason, job.failures, job.crashes, job.pos = state, reason, failures, crashes, pos
    job.dueAt = dueAt >= 0 and dueAt or nil
    job.startedAt, job.endedAt, job.unknownSince, job.token = startedAt, endedAt, unknownSince, token
    job.settledKind, job.settledToken, job.claimedAt, job.depsLeft = settledKind, settledToken, claimedAt, depsLeft
    job.worker, job.error, job.progress, job.attemptCount, job.attempts = worker, err, progress, attemptCount, attempts
    job.result = result
    if not STATE[state] then error('there is no such state') end
    if flags ~= 0 then
      job.begun, job.suspect, job.cancelling = has(flags, BEGUN), has(flags, SUSPECT), has(flags, CANCELLING)
      job.holdsKey, job.started, job.logs = has(flags, HOLDS_KEY), has(flags, STARTED), has(flags, LOGS)
      job.steps, job.staged = has(flags, STEPS), has(flags, STAGED)
    end
  elseif job.linksText then
    -- A new job with a unique key holds it.
    job.holdsKey = string.sub(job.linksText, 1, 1) == 'u'
  end
  -- Here, where what cannot be read is told as damaged.
  if job.linksText then linksOf(job) end
  return job
end

-- Reads jobs that have not been read; damaged ones become { id, damaged = true, spec }.
local function load(ids)
  local wanted, count = {}, 0
  for i = 1, #ids do
    if jobs[ids[i]] == nil then
      count = count + 1
      wanted[count] = ids[i]
    end
  end
  if count == 0 then return end
  local specs = ask('HMGET', B .. 'jobs', wanted)
  local there, number, specOf = {}, 0, {}
  for i = 1, count do
    local id, spec = wanted[i], specs[i]
    jobs[id] = false
    if spec then
      number = number + 1
      there[number] = id
      specOf[id] = spec
    end
  end
  local lives = ask('HMGET', B .. 'live', there)
  for i = 1, number do
    local id = there[i]
    local ok, job = pcall(parse, id, specOf[id], lives[i])
    jobs[id] = ok and job or { id = id, damaged = true, spec = specOf[id] }
  end
end

local function jobOf(id)
  if jobs[id] == nil then load({ id }) end
  return jobs[id]
end

local function touch(job)
  job.fresh = false
  dirty[job] = true
end

local function bit(set, flag)
  return set and flag or 0
end

beforeFlush[#beforeFlush + 1] = function()
  local key = B .. 'live'
  for job in pairs(dirty) do
    local flags = bit(job.begun, BEGUN) + bit(job.suspect, SUSPECT) + bit(job.cancelling, CANCELLING)
      + bit(job.holdsKey, HOLDS_KEY) + bit(job.started, STARTED) + bit(job.logs, LOGS) + bit(job.steps, STEPS)
      + bit(job.staged, STAGED)
    hset(key, job.id, pack(LIVE, job.state, job.reason, flags, min(job.failures, 65535), min(job.crashes, 65535), job.pos,
      job.dueAt or -1, job.startedAt, job.endedAt, job.unknownSince, job.token, job.settledKind, job.settledToken,
      job.claimedAt, job.depsLeft, #job.worker, job.worker, #job.error, job.error, #job.progress, job.progress,
      job.attemptCount, #job.attempts, job.attempts, #job.result, job.result))
  end
  for job in pairs(dirty) do dirty[job] = nil end
end

local function keptMs(job, state)
  local links = linksOf(job)
  return (links.kept or DEFAULT_KEPT)[state]
end

-- When the latest attempt that is noted began; 0 where there is none.
local function lastAttemptStart(job)
  local at, startedAt = 1, 0
  for _ = 1, job.attemptCount do
    local length, _, _, started = unpackFrom('>I4BI7I6', job.attempts, at)
    startedAt = started
    at = at + 4 + length
  end
  return startedAt
end

return STATE, DEFAULT_KEPT, has, kindOf, kindNumber, jobs, dirty, newJob, load, jobOf, touch, linksOf, keptMs, addAttempt, lastAttemptStart

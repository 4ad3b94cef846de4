-- Storing groups of jobs: first all that could refuse a group is checked, then every job is put in, so that a group is
-- stored whole or not at all. A group sees the groups before it.

-- Who holds a unique key; false where nobody does.
local function holderOf(key)
  local pending = hashes[B .. 'unique']
  if pending and pending[key] ~= nil then return pending[key] end
  return call('HGET', B .. 'unique', key)
end

-- The job that a new one with this key is a duplicate of.
local function keeperOf(key, replaces)
  local id = holderOf(key)
  local job = id and jobOf(id)
  -- The key of a job whose record was damaged may be left.
  if not job or (not job.damaged and job.state >= SUCCEEDED) then return nil end
  if replaces and (job.damaged or job.state ~= ACTIVE) then return nil end
  return job
end

-- at: where a job of the request begins. Answers it and where the next begins.
local function readCall(text, at, kinds)
  local plain, id, kind, priority, codec, flags, due, expiresIn, tail
  if string.byte(text, at) == 1 then
    local rest
    plain, id, kind, rest, at = unpackFrom('>BI2c0I2I4c0', text, at)
    plain, flags, priority, codec = unpackFrom('>BI2BB', rest)
    return { id = id, kindText = kinds[kind], priority = priority, codec = codec, flags = flags, due = 0, expiresIn = 0,
      tail = string.sub(rest, 6), links = {} }, at
  end
  plain, id, kind, priority, codec, flags, due, expiresIn, tail, at = unpackFrom('>BI2c0I2BBI2ddI4c0', text, at)
  local one = { id = id, kindText = kinds[kind], priority = priority, codec = codec, flags = flags, due = due,
    expiresIn = expiresIn, tail = tail, links = {} }
  if has(flags, LINKS) then
    -- Only to look at the links: the record is made when it is put in.
    local draft = newJob(id, pack(HEAD, 0, 0, 0, 1, floor(flags % IN_RECORD / 4) * 4, priority, codec) .. tail)
    one.links = linksOf(draft)
  end
  return one, at
end

local function taskOf(kindText)
  return string.match(kindText, '\n(.*)$')
end

-- Why a group cannot be stored: a code, the id, and the task that has it or the job that is missing; nil where it can.
local function refusal(group)
  local planned, plannedKeys = {}, {}
  for i = 1, #group do
    local one = group[i]
    local there = jobs[one.id]
    local task = planned[one.id] or (there and not there.damaged and kindOf(there.kind).task)
    if task or there then
      if task and task ~= taskOf(one.kindText) then
        return 'ID_TAKEN', one.id, task
      end
    else
      local key, replaces, kept = one.links.unique, has(one.flags, REPLACES), false
      if key then
        if plannedKeys[key] then kept = not replaces else kept = keeperOf(key, replaces) ~= nil end
        if not kept then plannedKeys[key] = true end
      end
      if not kept then
        for _, other in ipairs(one.links.after or {}) do
          if not planned[other.id] and not jobOf(other.id) then
            return 'DEPENDENCY_MISSING', one.id, other.id
          end
        end
        planned[one.id] = taskOf(one.kindText)
      end
    end
  end
end

local function putDependencies(job, links)
  local open, hopeless = {}, false
  for _, other in ipairs(links.after or {}) do
    local there = jobOf(other.id)
    if there and (there.damaged or there.state < SUCCEEDED) then
      open[#open + 1] = other
    elseif other.when == 1 and (not there or there.state ~= SUCCEEDED) then
      -- It was there when the group was checked, and was cancelled with what the group replaced.
      hopeless = true
    end
  end
  job.depsLeft = #open + (links.staged and 1 or 0)
  return open, hopeless
end

local function put(one)
  local flags = one.flags % IN_RECORD
  local seq = nextTick()
  local times = ''
  if has(flags, RUN_AT) then times = pack('>d', has(one.flags, DELAY) and now + one.due or one.due) end
  if has(flags, EXPIRES) then times = times .. pack('>d', now + one.expiresIn) end
  local spec = pack(HEAD, now, seq, kindNumber(one.kindText), 1, flags, one.priority, one.codec) .. times .. one.tail
  local job = newJob(one.id, spec)
  jobs[one.id] = job
  hset(B .. 'jobs', one.id, spec)
  count(job, 'e', 1)
  local links = one.links
  local open, hopeless = {}, false
  if has(flags, LINKS) then
    if links.workflow then zset(B .. 'workflow:' .. links.workflow, one.id, seq) end
    for _, entry in ipairs(links.search or {}) do zset(B .. 'search:' .. entry, one.id, seq) end
    open, hopeless = putDependencies(job, links)
    if hopeless then
      touch(job)
      job.depsLeft, job.state, job.reason = 0, CANCELLED, DEPENDENCY
      indexAdd(job)
      conclude(job)
      return
    end
    if links.unique then
      hset(B .. 'unique', links.unique, one.id)
      job.holdsKey = true
    end
    hold(job)
    for _, other in ipairs(open) do call('RPUSH', B .. 'deps:' .. other.id, entryOf(job, other.when)) end
    if links.staged then
      call('ZADD', B .. 'staged:' .. links.workflow, seq, entryOf(job, 2))
      call('ZADD', B .. 'staged', now, links.workflow)
      job.staged = true
    end
  end
  if job.depsLeft > 0 then
    job.state = BLOCKED
    touch(job)
  elseif job.dueAt and job.dueAt > now then
    job.state = SCHEDULED
    touch(job)
  else
    job.pos = seq
  end
  settleIn(job)
end

-- Answers a letter for each job (e enqueued, i duplicate by id, u by unique key, r its group was refused) and what
-- belongs to the letters: the holder's id for u; what `refusal` said for the first r of a group.
local function enqueueGroups(text, kinds)
  local groupCount, at = unpackFrom('>I4', text)
  local groups, ids = {}, {}
  for g = 1, groupCount do
    local size
    size, at = unpackFrom('>I4', text, at)
    local group = {}
    for i = 1, size do
      group[i], at = readCall(text, at, kinds)
      ids[#ids + 1] = group[i].id
    end
    groups[g] = group
  end
  load(ids)
  local letters, extras, all = {}, {}, true
  for g = 1, groupCount do
    local group = groups[g]
    local code, id, other = refusal(group)
    if code then
      all = false
      for _ = 1, #group do letters[#letters + 1] = 'r' end
      extras[#extras + 1], extras[#extras + 2], extras[#extras + 3] = code, id, other
    else
      for i = 1, #group do
        local one = group[i]
        local key = one.links.unique
        local kept = not jobs[one.id] and key and keeperOf(key, has(one.flags, REPLACES))
        if jobs[one.id] then
          letters[#letters + 1] = 'i'
          all = false
        elseif kept then
          letters[#letters + 1] = 'u'
          extras[#extras + 1] = kept.id
          all = false
        else
          local replaced = key and holderOf(key)
          if replaced and jobOf(replaced) and not jobOf(replaced).damaged then finish(jobOf(replaced), CANCELLED, REPLACED) end
          put(one)
          if parcels[1] then spread() end
          letters[#letters + 1] = 'e'
        end
      end
    end
  end
  return all and '' or table.concat(letters), extras
end

return holderOf, enqueueGroups

-- The straight way of most claims: jobs that are new, of the usual priority, without limits, expiry or ties to others, in
-- the only lane of their queue, with nothing due, no suspects and nobody listening. What is told here holds for the general
-- way too (`lib-claims.lua`), which takes over wherever one of these does not hold.

local isLimited = call('HLEN', B .. 'rules') > 0

-- text: packed by `wire/claims.ts`
local function readRequest(text)
  local request, number, at = { queues = {} }, nil, nil
  request.max, request.starting, request.suspects, request.alone, request.leaseMs, request.worker, request.client,
    number, at = unpackFrom('>I2I2BBI6I2c0I2c0I2', text)
  request.alone = request.alone == 1
  local named = {}
  for _ = 1, number do
    local queue
    queue, at = unpackFrom('>I2c0', text, at)
    -- One that is named twice is one: what was seen at its head is not there a second time.
    if not named[queue] then
      named[queue] = true
      request.queues[#request.queues + 1] = queue
    end
  end
  if request.leaseMs > longestLease then call('HSET', B .. 'meta', 'lease', request.leaseMs) end
  return request
end

-- Looks for up to `wanted` plain jobs at the head of a queue, and writes nothing. Nil where the queue has other lanes, or
-- jobs that go before; `whole` where all that was found is plain.
local function gather(queue, wanted)
  local name = queue .. '\n\n\n'
  local turns = call('ZRANGE', B .. 'turns:' .. queue, 0, 1)
  if #turns > 1 or (turns[1] and turns[1] ~= name) then return nil end
  if call('EXISTS', B .. 'suspects:' .. queue, B .. 'lane:' .. name) > 0 then return nil end
  local batch = { name = name, queue = queue, line = B .. 'line:' .. name, count = 0, whole = true, ids = {}, entries = {} }
  if not turns[1] then return batch end
  local entries, ids = call('LRANGE', batch.line, 0, wanted - 1), batch.ids
  local number = #entries
  for i = 1, number do ids[i] = string.sub(entries[i], 8) end
  local specs = ask('HMGET', B .. 'jobs', ids)
  local lives = ask('HMGET', B .. 'live', ids)
  for i = 1, number do
    local spec = specs[i]
    if lives[i] or jobs[ids[i]] ~= nil or not spec or #spec < HEAD_BYTES
      or string.sub(spec, 7, 13) ~= string.sub(entries[i], 1, 7) then break end
    local flags = string.byte(spec, 18)
    if flags % 4 >= EXPIRES or flags % 32 >= LINKS then break end
    batch.count = i
  end
  batch.entries, batch.specs, batch.whole = entries, specs, batch.count == number
  batch.emptied = number < wanted and batch.whole
  return batch
end

-- Claims what was gathered. drop: called with the lane where it was the last of it
local function commit(batch, request, out, kinds, drop)
  local ids, specs, entries, first = batch.ids, batch.specs, batch.entries, #out
  if batch.count == 0 then return end
  local nowBytes = pack('>I6', now)
  local untilAt = string.format('%d', now + request.leaseMs)
  local mark = string.char(FIRST_CLAIM)
  local live, leases, ofKinds = {}, {}, {}
  for i = 1, batch.count do
    local id, spec, token = ids[i], specs[i], pack('>I7', nextToken())
    live[2 * i - 1] = id
    live[2 * i] = mark .. token .. nowBytes .. (first + i <= request.starting and '\1' or '\0')
      .. string.sub(spec, 1, 15) .. request.worker
    leases[2 * i - 1], leases[2 * i] = untilAt, id
    out[first + i] = '\1' .. token .. pack('>I2c0I4c0', #id, id, #spec, spec)
    local kind = string.sub(spec, 14, 15)
    local ofKind = ofKinds[kind]
    if not ofKind then
      ofKind = {}
      ofKinds[kind] = ofKind
    end
    ofKind[#ofKind + 1] = entries[i]
  end
  send('HSET', B .. 'live', live)
  send('ZADD', B .. 'leases', leases)
  call('LTRIM', batch.line, batch.count, -1)
  if batch.emptied or call('EXISTS', batch.line) == 0 then drop(batch) end
  for kind, ofKind in pairs(ofKinds) do
    local number = unpackFrom('>I2', kind)
    kinds[number] = true
    activeMoved[number] = (activeMoved[number] or 0) + #ofKind
    freshLeft[number] = ofKind
  end
  -- The entries of a kind are given one after the other.
  flush()
end

-- Without limits nobody waits for the lane's room.
local function drop(batch)
  call('ZREM', B .. 'turns:' .. batch.queue, batch.name)
  call('HDEL', B .. 'stale', batch.name)
end

-- What a claim answers: { claims, now, ms until something falls due or -1, 1 where all there was was taken, kinds as number
-- and `queue\ntask` by turns }. A client that found less than it wanted is told of work from now on.
local function answerOf(request, states, out, kinds, drained, dueAt)
  for i = 1, #request.queues do
    local queue = request.queues[i]
    if request.client ~= '' then
      if drained then
        zset(B .. 'waiters:' .. queue, request.client, now)
      elseif request.alone then
        zset(B .. 'waiters:' .. queue, request.client, false)
      end
    end
    -- It took all it wanted: the next who waits may find the rest.
    if not drained and states[i] == '' then notify(queue) end
  end
  local names = {}
  for kind in pairs(kinds) do
    names[#names + 1] = kind
    names[#names + 1] = kindOf(kind).text
  end
  return { table.concat(out), now, dueAt and max(0, math.ceil(dueAt - now)) or -1, drained and 1 or 0, names }
end

-- Nil where the general way has to do it; then nothing has been done.
local function reservePlain(text)
  if isLimited or listened() then return nil end
  local request = readRequest(text)
  local queues, batches, found, dueAt = request.queues, {}, 0, nil
  local states = ask('HMGET', B .. 'queues', queues)
  for i = 1, #queues do
    if states[i] == '' then
      local due = tonumber(call('ZRANGE', B .. 'due:' .. queues[i], 0, 0, 'WITHSCORES')[2] or nil)
      if due and due <= now then return nil end
      if due and (not dueAt or due < dueAt) then dueAt = due end
      if found < request.max then
        local batch = gather(queues[i], request.max - found)
        if not batch or not batch.whole then return nil end
        batches[#batches + 1] = batch
        found = found + batch.count
      end
    end
  end
  local out, kinds = {}, {}
  for i = 1, #batches do commit(batches[i], request, out, kinds, drop) end
  return answerOf(request, states, out, kinds, found < request.max, dueAt)
end

return isLimited, readRequest, gather, commit, answerOf, reservePlain

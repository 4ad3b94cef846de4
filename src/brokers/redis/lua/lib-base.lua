-- What every script stands on: the keys' base, broker time, the counters, and writes that are gathered and sent
-- together, since a command for many members costs a fraction of many commands.
--
-- KEYS[1]  base of all keys of the namespace or shard, such as `offstage:{default}:`; other keys are made from it
--
-- Gathered: zset(), hset(), push(). A later write to the same member wins. `flush` sends them; what reads a sorted set or hash
-- of the store in between calls it first. Jobs are read through `lib-record.lua`, which keeps what it has read.
--
-- Times are milliseconds since 1970 by the server's clock. Strings are bytes; numbers are packed big-endian.

local B = KEYS[1]
local call = redis.call
local pack, unpackFrom = struct.pack, struct.unpack
local floor, min, max = math.floor, math.min, math.max

local clock = call('TIME')
local now = clock[1] * 1000 + floor(clock[2] / 1000)

local function send(command, key, args)
  local count = #args
  for from = 1, count, MOST_ARGS do
    call(command, key, unpack(args, from, min(count, from + MOST_ARGS - 1)))
  end
end

-- As `send`, with the answers in one table.
local function ask(command, key, args)
  local count = #args
  if count == 0 then return {} end
  if count <= MOST_ARGS then return call(command, key, unpack(args)) end
  local all = {}
  for from = 1, count, MOST_ARGS do
    local part = call(command, key, unpack(args, from, min(count, from + MOST_ARGS - 1)))
    for i = 1, #part do all[from - 1 + i] = part[i] end
  end
  return all
end

-- ── counters ─────────────────────────────────────────────────────────────────────────────────────────────────────

-- tick: sequence numbers and places in line. token: tokens of claims. Both have 64 numbers a millisecond and never fall
--       behind broker time, so that a server which lost its last writes gives no number twice; a burst runs ahead.
-- turn: turns of lanes. lead: how many milliseconds ticks were ahead of time at the most.
local meta = call('HMGET', B .. 'meta', 'tick', 'token', 'turn', 'lease', 'lead')
local lastTick, lastToken, lastTurn = tonumber(meta[1] or 0), tonumber(meta[2] or 0), tonumber(meta[3] or 0)
local lead = tonumber(meta[5] or 0)
-- The longest lease that was ever given.
local longestLease = tonumber(meta[4] or 0)
local countersMoved = false

local function nextTick()
  countersMoved = true
  lastTick = max(lastTick + 1, now * TICKS)
  return lastTick
end

local function nextToken()
  countersMoved = true
  lastToken = max(lastToken + 1, now * TICKS)
  return lastToken
end

local function nextTurn()
  countersMoved = true
  lastTurn = lastTurn + 1
  return lastTurn
end

-- ── gathered writes ──────────────────────────────────────────────────────────────────────────────────────────────

local zsets, hashes = {}, {}
-- Functions of other parts, called by `flush` before it sends.
local beforeFlush = {}
-- The same, once it has sent.
local afterFlush = {}

-- score false removes the member
local function zset(key, member, score)
  local members = zsets[key]
  if not members then
    members = {}
    zsets[key] = members
  end
  members[member] = score
end

-- value false removes the field
local function hset(key, field, value)
  local fields = hashes[key]
  if not fields then
    fields = {}
    hashes[key] = fields
  end
  fields[field] = value
end

-- Somebody else's key in our place ends the call before it has written anything.
local expected = {}
local function expect(key, kind)
  if expected[key] then return end
  expected[key] = true
  local there = call('TYPE', key).ok
  if there ~= 'none' and there ~= kind then
    error('WRONGTYPE ' .. string.gsub(key, '\n', '\\n') .. ' holds a ' .. there .. ' where this needs a ' .. kind)
  end
end

-- To the end of a list.
local lists = {}
local function push(key, value)
  local values = lists[key]
  if not values then
    values = {}
    lists[key] = values
  end
  values[#values + 1] = value
end

local function flush()
  for i = 1, #beforeFlush do beforeFlush[i]() end
  for key in pairs(hashes) do expect(key, 'hash') end
  for key in pairs(zsets) do expect(key, 'zset') end
  for key in pairs(lists) do expect(key, 'list') end
  for key, values in pairs(lists) do send('RPUSH', key, values) end
  for key in pairs(lists) do lists[key] = nil end
  for key, fields in pairs(hashes) do
    local set, del, s, d = {}, {}, 0, 0
    for field, value in pairs(fields) do
      if value then
        set[s + 1], set[s + 2] = field, value
        s = s + 2
      else
        d = d + 1
        del[d] = field
      end
    end
    send('HSET', key, set)
    send('HDEL', key, del)
  end
  for key in pairs(hashes) do hashes[key] = nil end
  for key, members in pairs(zsets) do
    local add, del, a, d = {}, {}, 0, 0
    for member, score in pairs(members) do
      if score then
        add[a + 1], add[a + 2] = score, member
        a = a + 2
      else
        d = d + 1
        del[d] = member
      end
    end
    send('ZADD', key, add)
    send('ZREM', key, del)
  end
  for key in pairs(zsets) do zsets[key] = nil end
  for i = 1, #afterFlush do afterFlush[i]() end
  if countersMoved then
    lead = max(lead, math.ceil(lastTick / TICKS - now))
    call('HSET', B .. 'meta', 'tick', lastTick, 'token', lastToken, 'turn', lastTurn, 'lead', lead)
    countersMoved = false
  end
end

-- A server out of memory refuses a script's first write only if that write can grow. This one cannot, and opens the
-- way: what ends or frees jobs has to get through.
local function evenWithoutMemory()
  call('DEL', B .. 'nothing')
end

return B, call, pack, unpackFrom, floor, min, max, now, send, ask, longestLease, lead, nextTick, nextToken, nextTurn, zsets, hashes, beforeFlush, afterFlush, zset, hset, push, expect, flush, evenWithoutMemory

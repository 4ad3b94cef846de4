--[[
A page of jobs by the time of enqueueing, from the smallest set of indexes that holds every match. Other conditions are
the caller's to check: the work of a call is bounded, not what it finds.

KEYS[1]  base of the keys
ARGV[1]  newest or oldest
ARGV[2]  sequence number to go on from, exclusive; '' for the beginning
ARGV[3]  the most rows, at most 1000; ARGV[4] the most bytes of records
ARGV[5]  states by number, such as `347`
ARGV[6]  queue or ''; ARGV[7] task or ''
ARGV[8]  an index by name (`search:<field>=<value>`, `workflow:<name>`) or ''
ARGV[9]  the earliest and ARGV[10] the latest time of interest (ms), or ''
Returns  { rows, kinds, sequence number to go on from or '' where there is nothing more }; a row is
         { id, what was asked, what became of it or false, end of its lease or false }
Cost     O(rows · log n + kinds · states)
Caller   the inspector
]]
local newest, cursor, most, mostBytes = ARGV[1] == 'newest', ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local wantedStates, queue, task, index = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local lowest = ARGV[9] ~= '' and string.format('%.0f', ARGV[9] * TICKS) or ''
-- Numbers may have run ahead of time in a burst.
local highest = ARGV[10] ~= '' and string.format('%.0f', (ARGV[10] + lead + 1) * TICKS) or ''
local from, to
if newest then
  from = cursor ~= '' and '(' .. cursor or highest ~= '' and highest or '+inf'
  to = lowest ~= '' and lowest or '-inf'
else
  from = cursor ~= '' and '(' .. cursor or lowest ~= '' and lowest or '-inf'
  to = highest ~= '' and highest or '+inf'
end

local sources, wantsActive, kindWanted = {}, false, nil
if index ~= '' then
  sources[1] = { key = B .. index }
else
  kindWanted = {}
  local all = call('HGETALL', B .. 'kinds')
  for i = 1, #all, 2 do
    local number = tonumber(all[i])
    if number then
      local kind = kindOf(number)
      if (queue == '' or kind.queue == queue) and (task == '' or kind.task == task) then
        kindWanted[number] = true
        for s = 1, #wantedStates do
          local state = tonumber(string.sub(wantedStates, s, s))
          if state == ACTIVE then
            wantsActive = true
          else
            sources[#sources + 1] = { key = B .. 'in:' .. STATE[state] .. ':' .. number }
          end
          if state == READY then
            sources[#sources + 1] = { key = B .. 'moved:' .. number }
            sources[#sources + 1] = { key = B .. 'fresh:' .. number, isList = true }
          end
        end
      end
    end
  end
end

-- With many indexes each gives a share; what lies beyond the nearest end of one that has more is left for the next call.
local share = #sources <= 8 and most or math.ceil(2 * most / #sources) + 8
local found, horizon = {}, nil

local function beyond(a, b)
  if newest then return a < b end
  return a > b
end

-- Whether a number lies in the range that is asked for.
local function edgeOf(edge)
  if edge == '+inf' then return math.huge, false end
  if edge == '-inf' then return -math.huge, false end
  if string.sub(edge, 1, 1) == '(' then return tonumber(string.sub(edge, 2)), true end
  return tonumber(edge), false
end
local fromNumber, fromOpen = edgeOf(from)
local toNumber = edgeOf(to)

-- The place of the first entry of a list of new jobs whose number is above `bound`, or is it.
local function placeOf(key, bound, above)
  local low, high = 0, call('LLEN', key)
  while low < high do
    local middle = floor((low + high) / 2)
    local seq = unpackFrom('>I7', call('LINDEX', key, middle))
    if seq < bound or (above and seq == bound) then low = middle + 1 else high = middle end
  end
  return low
end

local function readList(key)
  local entries
  if newest then
    local last = fromNumber == math.huge and -1 or placeOf(key, fromNumber, not fromOpen) - 1
    if last == -1 and fromNumber ~= math.huge then return 0 end
    entries = call('LRANGE', key, last == -1 and -share or max(0, last - share + 1), last)
  else
    local first = fromNumber == -math.huge and 0 or placeOf(key, fromNumber, fromOpen)
    entries = call('LRANGE', key, first, first + share - 1)
  end
  local number, last = #entries, nil
  for i = 1, number do
    local entry = entries[newest and number + 1 - i or i]
    last = unpackFrom('>I7', entry)
    if not beyond(last, toNumber) then found[#found + 1] = { last, string.sub(entry, 8), true } end
  end
  return number, last
end

for s = 1, #sources do
  local source, last, number = sources[s], nil, 0
  if source.isList then
    number, last = readList(source.key)
  else
    local rows = call(newest and 'ZREVRANGEBYSCORE' or 'ZRANGEBYSCORE', source.key, from, to, 'WITHSCORES', 'LIMIT', 0, share)
    for i = 1, #rows, 2 do
      last = tonumber(rows[i + 1])
      found[#found + 1] = { last, rows[i] }
    end
    number = #rows / 2
  end
  if number == share and (not horizon or beyond(horizon, last)) then horizon = last end
end

-- Active jobs have no index of their own: there are no more of them than workers run at once.
local MOST_ACTIVE = 4096
if wantsActive then
  local ids = call('ZRANGE', B .. 'leases', 0, MOST_ACTIVE - 1)
  load(ids)
  for i = 1, #ids do
    local job = jobs[ids[i]]
    if job and not job.damaged and job.state == ACTIVE and kindWanted[job.kind] and not beyond(job.seq, toNumber)
      and (beyond(job.seq, fromNumber) or (job.seq == fromNumber and not fromOpen)) then
      found[#found + 1] = { job.seq, job.id }
    end
  end
end
table.sort(found, function(a, b) return beyond(b[1], a[1]) end)

local rows, kinds, seen, bytes, goOn = {}, {}, {}, 0, ''
local CHUNK_ROWS = 50
local position = 1
while position <= #found do
  if #rows >= most or bytes >= mostBytes then break end
  local ids, number = {}, 0
  for i = position, min(#found, position + CHUNK_ROWS - 1) do
    number = number + 1
    ids[number] = found[i][2]
  end
  load(ids)
  local lives = ask('HMGET', B .. 'live', ids)
  for i = 1, number do
    local seq, id = found[position][1], found[position][2]
    if #rows >= most or bytes >= mostBytes or (horizon and beyond(seq, horizon)) then
      number = -1
      break
    end
    local job = jobs[id]
    -- An entry of a list of new jobs stays behind when its job leaves.
    local behind = found[position][3] and job and not job.damaged and not (job.fresh and job.state == READY)
    if job and not behind and (job.damaged or job.seq == seq) then
      rows[#rows + 1] = { id, job.spec, lives[i], job.state == ACTIVE and call('ZSCORE', B .. 'leases', id) or false }
      bytes = bytes + #job.spec + (lives[i] and #lives[i] or 0)
      if not job.damaged and not seen[job.kind] then
        seen[job.kind] = true
        kinds[#kinds + 1] = job.kind
        kinds[#kinds + 1] = kindOf(job.kind).text
      end
    end
    goOn = string.format('%.0f', seq)
    position = position + 1
  end
  if number < 0 then break end
end
if position > #found and not horizon then goOn = '' end
return { rows, kinds, goOn }

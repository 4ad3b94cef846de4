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
ARGV[9]  the smallest and ARGV[10] the largest sequence number of interest, or ''
Returns  { rows, kinds, sequence number to go on from or '' where there is nothing more }; a row is
         { id, what was asked, what became of it or false, end of its lease or false }
Cost     O(rows · log n + kinds · states)
Caller   the inspector
]]
local newest, cursor, most, mostBytes = ARGV[1] == 'newest', ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local wantedStates, queue, task, index = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local lowest, highest = ARGV[9], ARGV[10]
local from, to
if newest then
  from = cursor ~= '' and '(' .. cursor or highest ~= '' and highest or '+inf'
  to = lowest ~= '' and lowest or '-inf'
else
  from = cursor ~= '' and '(' .. cursor or lowest ~= '' and lowest or '-inf'
  to = highest ~= '' and highest or '+inf'
end

local sources = {}
if index ~= '' then
  sources[1] = { key = B .. index }
else
  local all = call('HGETALL', B .. 'kinds')
  for i = 1, #all, 2 do
    local number = tonumber(all[i])
    if number then
      local kind = kindOf(number)
      if (queue == '' or kind.queue == queue) and (task == '' or kind.task == task) then
        for s = 1, #wantedStates do
          local state = tonumber(string.sub(wantedStates, s, s))
          sources[#sources + 1] = { key = B .. 'in:' .. STATE[state] .. ':' .. number }
          if state == READY then sources[#sources + 1] = { key = B .. 'fresh:' .. number, stream = true } end
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

local function streamId(edge)
  if edge == '+inf' then return '+' end
  if edge == '-inf' then return '-' end
  if string.sub(edge, 1, 1) == '(' then return edge .. '-0' end
  return edge .. '-0'
end

for s = 1, #sources do
  local source, last, number = sources[s], nil, 0
  if source.stream then
    local rows = call(newest and 'XREVRANGE' or 'XRANGE', source.key, streamId(from), streamId(to), 'COUNT', share)
    for i = 1, #rows do
      last = tonumber(string.match(rows[i][1], '^%d+'))
      found[#found + 1] = { last, rows[i][2][2] }
    end
    number = #rows
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
    if job and (job.damaged or job.seq == seq) then
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

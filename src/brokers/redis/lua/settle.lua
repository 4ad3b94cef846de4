--[[
Records what became of claimed jobs, and claims the next in the same step.

KEYS[1]  base of the keys
ARGV[1]  packed by `wire/outcomes.ts`: I4 started, each I2c0 id · I7 token; then I4 outcomes, each
         I2c0 id · I7 token · B outcome · d ran (ms, -1 never) · B reason · d delay (ms) · I4c0 result or error
ARGV[2]  a request as in `reserve.lua`, or ''
Returns  { a letter for each outcome (o ok, l lost), the answer of `reserve` or nothing }
Cost     O(outcomes · log n), and up to 100 dependents each
Caller   the worker's settler, through `redis.ts`
]]
evenWithoutMemory()
local text, at = ARGV[1], 1
local startedCount, outcomeCount
local started, outcomes, ids = {}, {}, {}
startedCount, at = unpackFrom('>I4', text, at)
for i = 1, startedCount do
  local id, token
  id, token, at = unpackFrom('>I2c0I7', text, at)
  started[i] = { id, token }
  ids[i] = id
end
if startedCount > 0 then load(ids) end
outcomeCount, at = unpackFrom('>I4', text, at)
for i = 1, outcomeCount do
  local id, token, kind, ranMs, reason, delayMs, payload
  id, token, kind, ranMs, reason, delayMs, payload, at = unpackFrom('>I2c0I7BdBdI4c0', text, at)
  outcomes[i] = { id, token, kind, ranMs, reason, delayMs, payload }
end

for i = 1, startedCount do
  local job = jobs[started[i][1]]
  if job and job.state == ACTIVE and job.token == started[i][2] then markStarted(job) end
end

-- An outcome that was recorded with the same token is answered as before, also after the record is gone.
local function isRepeated(job, id, token, kind)
  if token == 0 then return false end
  if job and job.settledToken == token and job.settledKind == kind then return true end
  local tomb = call('GET', B .. 'tomb:' .. id)
  if not tomb then return false end
  local tombKind, tombToken = unpackFrom('>BI7', tomb)
  return tombKind == kind and tombToken == token
end

local letters = {}

-- The straight way of most outcomes: the first attempt of a plain job (see `claimPlain`) that succeeded.
local function settlePlain()
  if rules.any or needs.any or listened() then return end
  local wanted = {}
  for i = 1, outcomeCount do wanted[i] = outcomes[i][1] end
  local lives = ask('HMGET', B .. 'live', wanted)
  local nowBytes = pack('>I6', now)
  local pruneBytes = pack('>I6', now + DEFAULT_KEPT[SUCCEEDED])
  local live, leases, pruning, ended, number, seen = {}, {}, {}, {}, 0, {}
  for i = 1, outcomeCount do
    local outcome, before = outcomes[i], lives[i]
    local id = outcome[1]
    if outcome[3] == DONE and before and string.byte(before) == FIRST_CLAIM and jobs[id] == nil and not seen[id] then
      local _, token, claimedAt, _, createdAt, seq, kind = unpackFrom('>BI7I6BI6I7I2', before)
      local worker = string.sub(before, 31)
      if token == outcome[2] then
        seen[id] = true
        number = number + 1
        letters[i] = 'o'
        local ranMs = outcome[4]
        local startedAt = ranMs >= 0 and max(createdAt, floor(now - ranMs)) or claimedAt
        live[2 * number - 1] = id
        live[2 * number] = string.char(FIRST_SUCCESS) .. string.sub(before, 2, 8) .. pack('>I6', startedAt) .. nowBytes
          .. string.char(#worker) .. worker .. outcome[7]
        leases[number] = id
        pruning[number] = pruneBytes .. id
        local ofKind = ended[kind]
        if not ofKind then
          ofKind = { number = 0, ranMs = 0 }
          ended[kind] = ofKind
        end
        ofKind.number = ofKind.number + 1
        ofKind[2 * ofKind.number - 1], ofKind[2 * ofKind.number] = seq, id
        if ranMs >= 0 then ofKind.ranMs = ofKind.ranMs + ranMs end
      end
    end
  end
  if number == 0 then return end
  for kind in pairs(ended) do expect(B .. 'in:succeeded:' .. kind, 'zset') end
  expect(B .. 'pruning:succeeded', 'list')
  send('HSET', B .. 'live', live)
  send('ZREM', B .. 'leases', leases)
  send('RPUSH', B .. 'pruning:succeeded', pruning)
  for kind, ofKind in pairs(ended) do
    send('ZADD', B .. 'in:succeeded:' .. kind, ofKind)
    activeMoved[kind] = (activeMoved[kind] or 0) - ofKind.number
    counts[kind .. 's'] = ofKind.number
    if ofKind.ranMs > 0 then counts[kind .. 'm'] = ofKind.ranMs end
  end
end
settlePlain()

local rest = {}
for i = 1, outcomeCount do
  if not letters[i] then rest[#rest + 1] = outcomes[i][1] end
end
if rest[1] then load(rest) end

for i = 1, outcomeCount do
  if not letters[i] then
    local id, token, kind, ranMs, reason, delayMs, payload = unpack(outcomes[i])
    local job = jobOf(id)
    if job and job.state == ACTIVE and job.token == token then
      settleOne(job, token, kind, ranMs, reason, delayMs, payload)
      if parcels[1] then spread() end
      letters[i] = 'o'
    else
      letters[i] = isRepeated(job, id, token, kind) and 'o' or 'l'
    end
  end
end
local answer = { table.concat(letters) }
if ARGV[2] ~= '' then answer[2] = reserve(ARGV[2]) end
sendSignals()
return answer

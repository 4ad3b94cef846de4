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
local started, outcomes = readOutcomes(ARGV[1])
local letters = {}
if startPlain(started) and settlePlain(outcomes, letters) == #outcomes then
  local claims = ARGV[2] ~= '' and reservePlain(ARGV[2]) or nil
  if claims or ARGV[2] == '' then
    sendSignals()
    return { table.concat(letters), claims }
  end
end
--- general ---
for i = 1, #started do
  local job = jobOf(started[i][1])
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

local rest = {}
for i = 1, #outcomes do
  if not letters[i] then rest[#rest + 1] = outcomes[i][1] end
end
if rest[1] then load(rest) end

for i = 1, #outcomes do
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

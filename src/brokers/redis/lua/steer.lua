--[[
Cancels, retries, removes or promotes jobs by id, each in a step of its own.

KEYS[1]  base of the keys
ARGV[1]  cancel, retry, remove or promote
ARGV[2]  states by number, such as `347`: jobs that are in another one by now are left alone
ARGV[3…] ids
Returns  a letter for each: d done, - no such job, else the number of the state in which it was left alone
Cost     O(ids · log n), and up to 100 dependents each
Caller   the inspector and handles, through `redis.ts`, at most 200 ids a call
]]
evenWithoutMemory()
local actions = {
  cancel = function(job)
    if job.state == ACTIVE then
      touch(job)
      job.cancelling = true
      cancels[kindOf(job.kind).queue] = true
    elseif job.state < ACTIVE then
      finish(job, CANCELLED, BY_REQUEST)
    else
      return false
    end
    return true
  end,
  retry = function(job)
    if job.state ~= FAILED and job.state ~= CANCELLED then return false end
    local key = linksOf(job).unique
    if key then
      local holder = holderOf(key)
      if holder and holder ~= job.id then return false end
      hset(B .. 'unique', key, job.id)
      job.holdsKey = true
    end
    revive(job)
    return true
  end,
  remove = function(job)
    if job.state == ACTIVE then return false end
    erase(job)
    return true
  end,
  promote = function(job)
    if job.state ~= SCHEDULED then return false end
    toScheduled(job, now)
    return true
  end,
}
local act, wanted = actions[ARGV[1]], ARGV[2]
local ids = {}
for i = 3, #ARGV do ids[i - 2] = ARGV[i] end
load(ids)
local letters = {}
for i = 1, #ids do
  local job = jobOf(ids[i])
  if not job then
    letters[i] = '-'
  elseif job.damaged then
    -- Left for the claim, which makes it a dead letter.
    letters[i] = tostring(READY)
  else
    local state = job.state
    letters[i] = string.find(wanted, state, 1, true) and act(job) and 'd' or tostring(state)
    if parcels[1] then spread() end
  end
end
sendSignals()
return table.concat(letters)

--[[
Sets or clears limits; they hold from the next claim on.

KEYS[1]  base of the keys
ARGV     for each rule three: its key (`queue\nmail`, `task\nsend`, `partition\nmail`), declared or set, and the limit
         as JSON or '' to clear it
Cost     O(rules + active jobs)
Caller   workers at their start, and the inspector
]]
local function isBounded(rule)
  return call('HEXISTS', B .. 'rules', rule .. '\ndeclared') + call('HEXISTS', B .. 'rules', rule .. '\nset') > 0
end

local changed, new = {}, {}
for i = 1, #ARGV, 3 do
  local rule, source, limit = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  changed[rule] = true
  if not isBounded(rule) and limit ~= '' then new[rule] = true end
  local kind, name = string.match(rule, '^(%w+)\n(.*)$')
  if kind ~= 'task' then call('HSETNX', B .. 'queues', name, '') end
  if limit == '' then call('HDEL', B .. 'rules', rule .. '\n' .. source)
  else call('HSET', B .. 'rules', rule .. '\n' .. source, limit) end
end
loadRules()

-- What a rule bounds is counted from when it is there; before, there were only the jobs themselves.
local function countActive()
  local ids = call('ZRANGE', B .. 'leases', 0, -1)
  load(ids)
  for i = 1, #ids do
    local job = jobs[ids[i]]
    if job and not job.damaged and job.state == ACTIVE then
      for _, scope in ipairs(scopesOf(job)) do
        if new[scope.rule] then
          if not scope.counted then scope.active, scope.counted = 0, true end
          scope.active = scope.active + 1
          changedScopes[scope] = true
        end
      end
    end
  end
end
if next(new) then countActive() end

for rule in pairs(changed) do
  local keys = { rule }
  if string.sub(rule, 1, 10) == 'partition\n' then
    keys = {}
    for _, key in ipairs(call('HKEYS', B .. 'scopes')) do
      if string.sub(key, 1, #rule + 1) == rule .. '\n' then keys[#keys + 1] = key end
    end
  end
  for _, key in ipairs(keys) do
    local scope = scopeOf(key, rule)
    fill(scope, math.huge)
    if rules[rule] then
      changedScopes[scope] = true
    else
      changedScopes[scope] = nil
      hset(B .. 'scopes', key, false)
      zset(B .. 'fading', key, false)
    end
  end
  local queue = string.match(rule, '^queue\n(.*)$')
  if queue then notify(queue, MOST_WAKES) end
end
sendSignals()
return 1

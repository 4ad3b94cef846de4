-- Limits and what they bound: the rules, and for each scope that a rule bounds (a queue, a task, a partition of a queue)
-- how many jobs are active and when jobs started. Without rules nothing here costs more than one HLEN a call.
--
-- rules   hash: `<rule>\n<declared or set>` > JSON of { concurrency, rate: { count, perMs } }
--         a rule is `queue\n<queue>`, `task\n<task>` or `partition\n<queue>`
-- scopes  hash: `<scope>` > packed { active, perMs, faded at, starts }; a scope is its rule, and for a partition
--         `partition\n<queue>\n<partition>`
-- fading  zset of scopes by when their last start has left the window
--
-- A rate is held by a sliding window of 20 buckets, summed over one bucket more than the window has, so that it is never
-- exceeded; `job/rates.ts` says the same in TypeScript.

local rules = { any = call('HLEN', B .. 'rules') > 0 }
local scopes, changedScopes = {}, {}

local function loadRules()
  for rule in pairs(rules) do rules[rule] = nil end
  local all = call('HGETALL', B .. 'rules')
  rules.any = #all > 0
  for i = 1, #all, 2 do
    local rule, source = string.match(all[i], '^(.*)\n(%w+)$')
    if not rules[rule] or source == 'set' then rules[rule] = cjson.decode(all[i + 1]) end
  end
end
if rules.any then loadRules() end

-- rule: the rule that bounds it
local function scopeOf(key, rule)
  local scope = scopes[key]
  if scope then return scope end
  scope = { key = key, rule = rule, active = 0, perMs = 0, fadedAt = 0, starts = {} }
  local text = call('HGET', B .. 'scopes', key)
  if text then scope.active, scope.perMs, scope.fadedAt, scope.starts = unpack(cmsgpack.unpack(text)) end
  scopes[key] = scope
  return scope
end

-- The scopes of a rule that a job counts in.
local function scopesOf(job)
  local kind, found, count = kindOf(job.kind), {}, 0
  local byQueue, byTask = 'queue\n' .. kind.queue, 'task\n' .. kind.task
  if rules[byQueue] then
    count = count + 1
    found[count] = scopeOf(byQueue, byQueue)
  end
  if rules[byTask] then
    count = count + 1
    found[count] = scopeOf(byTask, byTask)
  end
  local byPartition = 'partition\n' .. kind.queue
  if job.partition and rules[byPartition] then
    count = count + 1
    found[count] = scopeOf(byPartition .. '\n' .. job.partition, byPartition)
  end
  return found
end

local function widthOf(rate)
  return max(1, math.ceil(rate.perMs / 20))
end

-- The buckets that count now, and how many starts are in them.
local function startsNow(scope, rate)
  local width, kept, used = widthOf(rate), {}, 0
  if scope.perMs ~= rate.perMs then return kept, used end
  local oldest = floor(now / width) - math.ceil(rate.perMs / width)
  for i = 1, #scope.starts, 2 do
    if scope.starts[i] >= oldest then
      kept[#kept + 1] = scope.starts[i]
      kept[#kept + 1] = scope.starts[i + 1]
      used = used + scope.starts[i + 1]
    end
  end
  return kept, used
end

local function rateRoom(scope)
  local rule = rules[scope.rule]
  if not rule or not rule.rate then return math.huge end
  local _, used = startsNow(scope, rule.rate)
  return max(0, rule.rate.count - used)
end

local function concurrencyRoom(scope)
  local rule = rules[scope.rule]
  if not rule or not rule.concurrency then return math.huge end
  return rule.concurrency - scope.active
end

-- How many more jobs may start now.
local function roomIn(scope)
  return max(0, min(concurrencyRoom(scope), rateRoom(scope)))
end

-- When the rate has more room, where the rate is what leaves least of it; nil else.
local function moreAt(scope)
  local rule = rules[scope.rule]
  if not rule or not rule.rate or concurrencyRoom(scope) <= rateRoom(scope) then return nil end
  local width = widthOf(rule.rate)
  local kept = startsNow(scope, rule.rate)
  return ((kept[1] or floor(now / width)) + math.ceil(rule.rate.perMs / width) + 1) * width
end

local function occupy(scope)
  changedScopes[scope] = true
  scope.active = scope.active + 1
  local rate = rules[scope.rule].rate
  if not rate then return end
  local kept = startsNow(scope, rate)
  local bucket = floor(now / widthOf(rate))
  local last = #kept
  if last > 0 and kept[last - 1] >= bucket then
    kept[last] = kept[last] + 1
  else
    kept[last + 1], kept[last + 2] = bucket, 1
  end
  scope.starts, scope.perMs, scope.fadedAt = kept, rate.perMs, now + 2 * rate.perMs
  zset(B .. 'fading', scope.key, scope.fadedAt)
end

local function vacate(scope)
  changedScopes[scope] = true
  scope.active = max(0, scope.active - 1)
end

beforeFlush[#beforeFlush + 1] = function()
  for scope in pairs(changedScopes) do
    local empty = scope.active == 0 and scope.fadedAt <= now and call('EXISTS', B .. 'waiting:' .. scope.key) == 0
    hset(B .. 'scopes', scope.key,
      not empty and cmsgpack.pack({ scope.active, scope.perMs, scope.fadedAt, scope.starts }))
    if empty then zset(B .. 'fading', scope.key, false) end
  end
  for scope in pairs(changedScopes) do changedScopes[scope] = nil end
end

return rules, changedScopes, loadRules, scopeOf, scopesOf, roomIn, moreAt, occupy, vacate

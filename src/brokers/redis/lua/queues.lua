--[[
Every queue that has or had jobs, or is paused or limited.

KEYS[1]  base of the keys
Returns  { queues with their state ('' or p) by turns, for each kind its text and seven counts, rules }
Cost     O(queues + kinds): counts are kept, not counted
Caller   the inspector
]]
local kinds = {}
local all = call('HGETALL', B .. 'kinds')
for i = 1, #all, 2 do
  local number = tonumber(all[i])
  if number then
    local row = { all[i + 1] }
    for s = 1, #STATE do row[s + 1] = call('ZCARD', B .. 'in:' .. STATE[s] .. ':' .. all[i]) end
    row[READY + 1] = row[READY + 1] + call('LLEN', B .. 'fresh:' .. all[i])
    row[ACTIVE + 1] = tonumber(call('HGET', B .. 'active', all[i]) or 0)
    kinds[#kinds + 1] = row
  end
end
return { call('HGETALL', B .. 'queues'), kinds, call('HGETALL', B .. 'rules') }

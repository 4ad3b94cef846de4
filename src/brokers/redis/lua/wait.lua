--[[
Puts a client among those who are told of work, where it is not there since its last claim.

KEYS[1]  base of the keys
ARGV[1]  the client
ARGV[2…] queues
Returns  { 1 where something is there to be claimed now, ms until something falls due or -1 }
Cost     O(queues)
Caller   `wake`
]]
local there, dueAt = 0, nil
for i = 2, #ARGV do
  local queue = ARGV[i]
  zset(B .. 'waiters:' .. queue, ARGV[1], nextTick())
  if call('HGET', B .. 'queues', queue) == '' then
    if call('EXISTS', B .. 'turns:' .. queue, B .. 'suspects:' .. queue) > 0 then there = 1 end
    local at = nextDueAt(queue)
    if at and (not dueAt or at < dueAt) then dueAt = at end
  end
end
sendSignals()
return { there, dueAt and max(0, math.ceil(dueAt - now)) or -1 }

--[[
Fires a tick of a schedule: stores its job and moves the schedule on, in one step, once.

KEYS[1]  base of the keys
ARGV[1]  the schedule
ARGV[2]  the tick, and ARGV[3] the next one (ms)
ARGV[4…] the job, as in `enqueue.lua`; '' where it only moves on
Returns  1, or 0 where somebody else fired it or it is paused
Cost     O(log n)
Caller   every worker's ticker
]]
local text = call('HGET', B .. 'schedules', ARGV[1])
if not text then return 0 end
local nextAt, _, paused = unpackFrom('>ddB', text)
if paused == 1 or nextAt ~= tonumber(ARGV[2]) then return 0 end
if ARGV[4] ~= '' then
  local kinds = {}
  for i = 5, #ARGV do kinds[i - 4] = ARGV[i] end
  enqueueGroups(ARGV[4], kinds)
end
call('HSET', B .. 'schedules', ARGV[1], pack('>ddB', tonumber(ARGV[3]), nextAt, 0) .. string.sub(text, 18))
sendSignals()
return 1

--[[
Creates or replaces a schedule. Its next time is kept when its rule has not changed, and its last one when none is given.

KEYS[1]  base of the keys
ARGV[1]  the schedule
ARGV[2]  next time, ARGV[3] last time or -1 (ms), ARGV[4] 1 where paused
ARGV[5]  the rule as JSON with sorted keys; ARGV[6] its job
Cost     O(1)
Caller   schedules
Stored   schedules: hash of id > d next · d last or -1 · B paused · I4c0 rule · job
]]
local nextAt, lastAt = tonumber(ARGV[2]), tonumber(ARGV[3])
local text = call('HGET', B .. 'schedules', ARGV[1])
if text then
  local oldNext, oldLast, _, rule = unpackFrom('>ddBI4c0', text)
  if rule == ARGV[5] then nextAt = oldNext end
  if lastAt < 0 then lastAt = oldLast end
end
call('HSET', B .. 'schedules', ARGV[1],
  pack('>ddBI4c0', nextAt, lastAt, tonumber(ARGV[4]), #ARGV[5], ARGV[5]) .. ARGV[6])
return 1

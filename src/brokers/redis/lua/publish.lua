--[[
Makes the staged jobs of a workflow visible: one flip; what follows is spread by upkeep.

KEYS[1]  base of the keys
ARGV[1]  the workflow
Returns  1, or 0 where nothing is staged under that name
Cost     O(100 · log n)
Caller   workflows
]]
local key = B .. 'staged:' .. ARGV[1]
if call('EXISTS', key) == 0 then return 0 end
call('ZREM', B .. 'staged', ARGV[1])
sendParcel(SUCCEEDED, 'z', key)
spread()
sendSignals()
return 1

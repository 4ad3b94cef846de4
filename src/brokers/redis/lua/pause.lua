--[[
Pauses or resumes a queue.

KEYS[1]  base of the keys
ARGV[1]  the queue
ARGV[2]  1 to pause, 0 to resume
Cost     O(1)
Caller   the inspector
]]
call('HSET', B .. 'queues', ARGV[1], ARGV[2] == '1' and 'p' or '')
if ARGV[2] == '0' then notify(ARGV[1], MOST_WAKES) end
sendSignals()
return 1

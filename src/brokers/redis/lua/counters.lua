--[[
Per-minute counters.

KEYS[1]  base of the keys
ARGV     starts of minutes (ms), at most 120
Returns  { for each minute: fields and values by turns, kinds by turns }; a field is a kind's number and a letter:
         e enqueued, s succeeded, r retried, f failed, c cancelled, x crashed, m run time (ms)
Cost     O(minutes · kinds)
Caller   the inspector
]]
local minutes = {}
for i = 1, #ARGV do minutes[i] = call('HGETALL', B .. 'minute:' .. ARGV[i]) end
return { minutes, call('HGETALL', B .. 'kinds') }

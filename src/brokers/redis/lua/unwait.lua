--[[
Takes a client from among those who are told of work.

KEYS[1]  base of the keys
ARGV[1]  the client
ARGV[2…] queues
Cost     O(queues)
Caller   `wake` that ended by its signal, and `close`
]]
for i = 2, #ARGV do call('ZREM', B .. 'waiters:' .. ARGV[i], ARGV[1]) end
return 1

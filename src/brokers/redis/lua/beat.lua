--[[
A worker's sign of life, or the list of those that live.

KEYS[1]  base of the keys
ARGV[1]  the worker, or '' to ask only
ARGV[2]  what it says of itself, JSON; '' where it leaves
ARGV[3]  how long it is remembered (ms)
Returns  for each worker that lives: { broker time of its last sign, what it said }
Cost     O(workers)
Caller   workers every few seconds; the inspector
Stored   workers: hash of id > JSON; alive: zset of ids by when they are forgotten; seen: hash of id > last sign
]]
if ARGV[1] ~= '' and ARGV[2] ~= '' then
  call('HSET', B .. 'workers', ARGV[1], ARGV[2])
  call('HSET', B .. 'seen', ARGV[1], now)
  call('ZADD', B .. 'alive', now + tonumber(ARGV[3]), ARGV[1])
end
local gone = call('ZRANGEBYSCORE', B .. 'alive', '-inf', now, 'LIMIT', 0, 1000)
if ARGV[1] ~= '' and ARGV[2] == '' then gone[#gone + 1] = ARGV[1] end
send('HDEL', B .. 'workers', gone)
send('HDEL', B .. 'seen', gone)
send('ZREM', B .. 'alive', gone)
if ARGV[1] ~= '' then return {} end
local rows = {}
local all = call('HGETALL', B .. 'workers')
for i = 1, #all, 2 do rows[#rows + 1] = { call('HGET', B .. 'seen', all[i]), all[i + 1] } end
return rows

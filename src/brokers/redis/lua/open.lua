--[[
Looks whether the keys of a namespace are ours, or notes the version that they are written in.

KEYS[1]  base of the keys
ARGV[1]  version of the layout that the caller writes
ARGV[2]  the oldest version that can read it
ARGV[3]  over how many shards the namespace is spread
ARGV[4]  1 to note both, which only who writes does: looking at an empty namespace leaves nothing there
ARGV[5…] names and types of keys by turns
Returns  { 'ok' }, { 'type', key, its type, the type it has to have } { 'newer', the version that is needed } or
         { 'shards', over how many it is spread }
Cost     O(1)
Caller   `open`, and the first enqueue
]]
for i = 5, #ARGV, 2 do
  local there = redis.call('TYPE', KEYS[1] .. ARGV[i]).ok
  if there ~= 'none' and there ~= ARGV[i + 1] then return { 'type', KEYS[1] .. ARGV[i], there, ARGV[i + 1] } end
end
local version, readableBy, shards = unpack(redis.call('HMGET', KEYS[1] .. 'meta', 'version', 'readable-by', 'shards'))
if shards and shards ~= ARGV[3] then return { 'shards', shards } end
if tonumber(readableBy or 0) > tonumber(ARGV[1]) then return { 'newer', readableBy } end
if ARGV[4] == '1' and tonumber(version or 0) < tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[1] .. 'meta', 'version', ARGV[1], 'readable-by', ARGV[2], 'shards', ARGV[3])
end
return { 'ok' }

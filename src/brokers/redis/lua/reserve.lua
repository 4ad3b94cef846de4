--[[
Claims ready jobs: state, lease and token in one step.

KEYS[1]  base of the keys
ARGV[1]  the request, packed by `wire/claims.ts`: I2 max · I2 starting · B suspects · B nobody else of this client
         waits · I6 lease (ms) · I2c0 worker · I2c0 client to tell of work ('' for none) · I2 queues, each I2c0
Returns  { claims, broker time, ms until something falls due or -1, 1 where all there was was taken, kinds }
Cost     O(max · log n + queues), whatever is waiting
Caller   the worker's fetcher, through `redis.ts`
]]
evenWithoutMemory()
local answer = reservePlain(ARGV[1])
if answer then
  sendSignals()
  return answer
end
--- general ---
local answer = reserve(ARGV[1])
sendSignals()
return answer

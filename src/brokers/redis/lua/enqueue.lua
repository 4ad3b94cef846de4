--[[
Stores groups of jobs, each whole or not at all.

KEYS[1]  base of the keys
ARGV[1]  the groups, packed by `wire/enqueue.ts`: I4 groups, each I4 jobs; a plain one (see `enqueuePlain`) is
         B 1 · I2c0 id · I2 kind (an index into the following arguments, from 1) · I4c0 its record from the layout on;
         any other
         B 0 · I2c0 id · I2 kind · B priority · B codec · I2 flags · d due (a time, or a delay in ms with flag 256)
         · d expires in (ms) · I4c0 its record from the version on
ARGV[2…] kinds: `queue\ntask`
Returns  { letters, extras }: see `enqueueGroups`; no letters where every job was enqueued
Cost     O(jobs · log n), some ten commands a call and one or two a job
Caller   client, schedules, workflows, through `redis.ts`
]]
local kinds = {}
for i = 2, #ARGV do kinds[i - 1] = ARGV[i] end
if enqueuePlain(ARGV[1], kinds) then
  sendSignals()
  return { '', {} }
end
--- general ---
local letters, extras = enqueueGroups(ARGV[1], kinds)
sendSignals()
return { letters, extras }

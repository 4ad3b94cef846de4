--[[
Makes leases end at now + lease and records which have started. Never shortens.

KEYS[1]  base of the keys
ARGV[1]  lease (ms)
ARGV[2]  packed: I4 leases, each I2c0 id · I7 token · B started
Returns  a letter for each lease: o ok, l lost, c cancelling
Cost     O(leases · log n)
Caller   the worker's keeper, and its executor before it runs a suspect
]]
evenWithoutMemory()
local untilAt = now + tonumber(ARGV[1])
local text, leases, ids = ARGV[2], {}, {}
local number, at = unpackFrom('>I4', text)
for i = 1, number do
  local id, token, started
  id, token, started, at = unpackFrom('>I2c0I7B', text, at)
  leases[i] = { id, token, started }
  ids[i] = id
end
load(ids)
local letters, add = {}, {}
for i = 1, number do
  local id, token, started = unpack(leases[i])
  local job = jobs[id]
  if job and job.state == ACTIVE and job.token == token then
    if started == 1 then markStarted(job) end
    add[#add + 1] = untilAt
    add[#add + 1] = id
    letters[i] = job.cancelling and 'c' or 'o'
  else
    letters[i] = 'l'
  end
end
for from = 1, #add, MOST_ARGS do
  call('ZADD', B .. 'leases', 'GT', unpack(add, from, min(#add, from + MOST_ARGS - 1)))
end
sendSignals()
return table.concat(letters)

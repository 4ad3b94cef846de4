--[[
Jobs by id.

KEYS[1]  base of the keys
ARGV     ids, at most 200
Returns  for each: { what was asked, what became of it or false, end of its lease or false }, or false where none is kept;
         then the names of their kinds, number and `queue\ntask` by turns
Cost     O(ids)
Caller   handles and the inspector
]]
load(ARGV)
local lives = ask('HMGET', B .. 'live', ARGV)
local rows, kinds, seen = {}, {}, {}
for i = 1, #ARGV do
  local job = jobs[ARGV[i]]
  if not job then
    rows[i] = false
  elseif job.damaged then
    rows[i] = { job.spec, lives[i] }
  else
    rows[i] = { job.spec, lives[i], job.state == ACTIVE and call('ZSCORE', B .. 'leases', job.id) or false }
    if not seen[job.kind] then
      seen[job.kind] = true
      kinds[#kinds + 1] = job.kind
      kinds[#kinds + 1] = kindOf(job.kind).text
    end
  end
end
return { rows, kinds }

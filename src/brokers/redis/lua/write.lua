--[[
Progress, log lines and steps of running attempts.

KEYS[1]  base of the keys
ARGV[1]  how many log lines a job keeps
ARGV[2]  packed: I4 notes, each I2c0 id · I7 token · B kind (1 progress, 2 log, 3 step) · B level · I2c0 name · I4c0 value
Returns  a letter for each: o ok, l lost
Cost     O(notes)
Caller   the worker's notes
Stored   log:<id>: list of I4 number · I6 at · I7 token · B level · text
         steps:<id>: hash of name > I4 place · I6 at · value (codec and bytes)
]]
local most, text = tonumber(ARGV[1]), ARGV[2]
local number, at = unpackFrom('>I4', text)
local notes, ids = {}, {}
for i = 1, number do
  local id, token, kind, level, name, value
  id, token, kind, level, name, value, at = unpackFrom('>I2c0I7BBI2c0I4c0', text, at)
  notes[i] = { id, token, kind, level, name, value }
  ids[i] = id
end
load(ids)
local letters = {}
for i = 1, number do
  local id, token, kind, level, name, value = unpack(notes[i])
  local job = jobs[id]
  if job and job.state == ACTIVE and job.token == token then
    letters[i] = 'o'
    if kind == 1 then
      touch(job)
      job.progress = value
      tell(job, true)
    elseif kind == 2 then
      local key = B .. 'log:' .. id
      local last = call('LINDEX', key, -1)
      local line = (last and unpackFrom('>I4', last) or 0) + 1
      if call('RPUSH', key, pack('>I4I6I7B', line, now, token, level) .. value) > most then call('LPOP', key) end
      if not job.logs then
        touch(job)
        job.logs = true
      end
    else
      local key = B .. 'steps:' .. id
      call('HSETNX', key, name, pack('>I4I6', call('HLEN', key), now) .. value)
      if not job.steps then
        touch(job)
        job.steps = true
      end
    end
  else
    letters[i] = 'l'
  end
end
sendSignals()
return table.concat(letters)

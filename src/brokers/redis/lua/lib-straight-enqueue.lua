-- The straight way of most calls: groups of plain jobs (see `lib-straight.lua`) that are all new. Answers whether it was taken;
-- else nothing has been done.
local function enqueuePlain(text, kinds)
  if call('HLEN', B .. 'rules') > 0 or listened() then return false end
  local groupCount, at = unpackFrom('>I4', text)
  local ids, kindOfJob, rests, number = {}, {}, {}, 0
  local seen = {}
  for _ = 1, groupCount do
    local size
    size, at = unpackFrom('>I4', text, at)
    for _ = 1, size do
      number = number + 1
      local plain, id, kind, rest
      if string.byte(text, at) == 0 then return false end
      plain, id, kind, rest, at = unpackFrom('>BI2c0I2I4c0', text, at)
      if seen[id] then return false end
      seen[id] = true
      ids[number], kindOfJob[number], rests[number] = id, kind, rest
    end
  end
  local there = ask('HMGET', B .. 'jobs', ids)
  for i = 1, number do
    if there[i] then return false end
  end
  local nowBytes = pack('>I6', now)
  local specs, perKind, lines = {}, {}, {}
  for i = 1, number do
    local k = kindOfJob[i]
    local ofKind = perKind[k]
    if not ofKind then
      local queue = string.match(kinds[k], '^[^\n]*')
      local kind = kindNumber(kinds[k])
      local line = B .. 'line:' .. queue .. '\n\n\n'
      ofKind = { kind = kind, bytes = pack('>I2', kind), queue = queue, fresh = {}, number = 0 }
      lines[line] = lines[line] or {}
      lines[B .. 'fresh:' .. kind] = ofKind.fresh
      ofKind.line = lines[line]
      perKind[k] = ofKind
    end
    local id, seq = ids[i], pack('>I7', nextTick())
    specs[2 * i - 1], specs[2 * i] = id, nowBytes .. seq .. ofKind.bytes .. rests[i]
    local entry = seq .. id
    ofKind.number = ofKind.number + 1
    ofKind.fresh[ofKind.number] = entry
    local line = ofKind.line
    line[#line + 1] = entry
  end
  for key in pairs(lines) do expect(key, 'list') end
  for _, ofKind in pairs(perKind) do expect(B .. 'turns:' .. ofKind.queue, 'zset') end
  send('HSET', B .. 'jobs', specs)
  for key, entries in pairs(lines) do send('RPUSH', key, entries) end
  for _, ofKind in pairs(perKind) do
    -- Only a lane that is not there yet gets a turn.
    call('ZADD', B .. 'turns:' .. ofKind.queue, 'NX', nextTurn(), ofKind.queue .. '\n\n\n')
    counts[ofKind.kind .. 'e'] = ofKind.number
    notify(ofKind.queue, ofKind.number)
  end
  return true
end

return enqueuePlain

-- The index of new jobs, and how many are active; `lib-moves.lua` says what the keys hold.

-- Entries of jobs that left `fresh:<kind>`, and changes of `active`, by kind.
local freshLeft, activeMoved = {}, {}

local function leaveFresh(kind, entry)
  local left = freshLeft[kind]
  if not left then
    left = {}
    freshLeft[kind] = left
  end
  left[#left + 1] = entry
end

-- Those whose entries were taken out for others.
local function moveFresh(kind, entries)
  local ids = {}
  for i = 1, #entries do ids[i] = string.sub(entries[i], 8) end
  local specs = ask('HMGET', B .. 'jobs', ids)
  local lives = ask('HMGET', B .. 'live', ids)
  local add = {}
  for i = 1, #ids do
    if specs[i] and not lives[i] and string.sub(specs[i], 7, 13) == string.sub(entries[i], 1, 7) then
      add[#add + 1] = unpackFrom('>I7', entries[i])
      add[#add + 1] = ids[i]
    end
  end
  send('ZADD', B .. 'moved:' .. kind, add)
end

local function takeFresh(kind, left)
  local taken = call('LPOP', B .. 'fresh:' .. kind, #left) or {}
  local same = #taken == #left
  for i = 1, same and #left or 0 do
    if taken[i] ~= left[i] then
      same = false
      break
    end
  end
  if same then return end
  local others, gone, mine = {}, {}, {}
  for i = 1, #left do mine[left[i]] = true end
  for i = 1, #taken do
    if mine[taken[i]] then mine[taken[i]] = nil else others[#others + 1] = taken[i] end
  end
  for entry in pairs(mine) do gone[#gone + 1] = string.sub(entry, 8) end
  send('ZREM', B .. 'moved:' .. kind, gone)
  moveFresh(kind, others)
end

afterFlush[#afterFlush + 1] = function()
  for kind, left in pairs(freshLeft) do
    freshLeft[kind] = nil
    takeFresh(kind, left)
  end
  for kind, moved in pairs(activeMoved) do
    activeMoved[kind] = nil
    if moved ~= 0 and call('HINCRBY', B .. 'active', kind, moved) == 0 then call('HDEL', B .. 'active', kind) end
  end
end

return freshLeft, activeMoved, leaveFresh

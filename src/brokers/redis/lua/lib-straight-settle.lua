-- Reading what a settle asks for, and the straight way of most outcomes.

-- text: see `settle.lua`. Answers what has started, each { id, token }, and the outcomes, each
-- { id, token, outcome, ran (ms), reason, delay (ms), payload }.
local function readOutcomes(text)
  local number, at = unpackFrom('>I4', text)
  local started, outcomes = {}, {}
  for i = 1, number do
    local id, token
    id, token, at = unpackFrom('>I2c0I7', text, at)
    started[i] = { id, token }
  end
  number, at = unpackFrom('>I4', text, at)
  for i = 1, number do
    local id, token, kind, ranMs, reason, delayMs, payload
    id, token, kind, ranMs, reason, delayMs, payload, at = unpackFrom('>I2c0I7BdBdI4c0', text, at)
    outcomes[i] = { id, token, kind, ranMs, reason, delayMs, payload }
  end
  return started, outcomes
end

-- Records the starts of first claims; false where there are others.
local function startPlain(started)
  local number, ids, live, all = #started, {}, {}, true
  for i = 1, number do ids[i] = started[i][1] end
  local lives = ask('HMGET', B .. 'live', ids)
  for i = 1, number do
    local before = lives[i]
    if before and string.byte(before) ~= FIRST_CLAIM then
      all = false
    elseif before and unpackFrom('>I7', before, 2) == started[i][2] and string.byte(before, 15) == 0 then
      live[#live + 1] = ids[i]
      live[#live + 1] = string.sub(before, 1, 8) .. pack('>I6', now) .. '\1' .. string.sub(before, 16)
    end
  end
  send('HSET', B .. 'live', live)
  return all
end

-- The straight way of most outcomes: the first attempt of a plain job (see `lib-straight.lua`) that succeeded.
-- Answers how many there were; their letters are set.
local function settlePlain(outcomes, letters)
  if isLimited or call('EXISTS', B .. 'needs') == 1 or listened() then return 0 end
  local outcomeCount, wanted = #outcomes, {}
  for i = 1, outcomeCount do wanted[i] = outcomes[i][1] end
  local lives = ask('HMGET', B .. 'live', wanted)
  local nowBytes = pack('>I6', now)
  local pruneBytes = pack('>I6', now + DEFAULT_KEPT[SUCCEEDED])
  local live, leases, pruning, ended, number, seen = {}, {}, {}, {}, 0, {}
  for i = 1, outcomeCount do
    local outcome, before = outcomes[i], lives[i]
    local id = outcome[1]
    if outcome[3] == DONE and before and string.byte(before) == FIRST_CLAIM and jobs[id] == nil and not seen[id] then
      local _, token, claimedAt, _, createdAt, seq, kind = unpackFrom('>BI7I6BI6I7I2', before)
      local worker = string.sub(before, 31)
      if token == outcome[2] then
        seen[id] = true
        number = number + 1
        letters[i] = 'o'
        local ranMs = outcome[4]
        local startedAt = ranMs >= 0 and max(createdAt, floor(now - ranMs)) or claimedAt
        live[2 * number - 1] = id
        live[2 * number] = string.char(FIRST_SUCCESS) .. string.sub(before, 2, 8) .. pack('>I6', startedAt) .. nowBytes
          .. string.char(#worker) .. worker .. outcome[7]
        leases[number] = id
        pruning[number] = pruneBytes .. id
        local ofKind = ended[kind]
        if not ofKind then
          ofKind = { number = 0, ranMs = 0 }
          ended[kind] = ofKind
        end
        ofKind.number = ofKind.number + 1
        ofKind[2 * ofKind.number - 1], ofKind[2 * ofKind.number] = seq, id
        if ranMs >= 0 then ofKind.ranMs = ofKind.ranMs + ranMs end
      end
    end
  end
  if number == 0 then return 0 end
  for kind in pairs(ended) do expect(B .. 'in:succeeded:' .. kind, 'zset') end
  expect(B .. 'pruning:succeeded', 'list')
  send('HSET', B .. 'live', live)
  send('ZREM', B .. 'leases', leases)
  send('RPUSH', B .. 'pruning:succeeded', pruning)
  for kind, ofKind in pairs(ended) do
    send('ZADD', B .. 'in:succeeded:' .. kind, ofKind)
    activeMoved[kind] = (activeMoved[kind] or 0) - ofKind.number
    counts[kind .. 's'] = ofKind.number
    if ofKind.ranMs > 0 then counts[kind .. 'm'] = ofKind.ranMs end
  end
  return number
end

return readOutcomes, startPlain, settlePlain

-- Spreading what followed from an outcome: each dependent hears of it once. A step spreads to a hundred at once and
-- leaves the rest in the outbox for upkeep. What is cancelled on the way has dependents of its own.

-- text: the state that the other ended in, l or z, and the parcel's number. Answers how many were delivered, and
-- whether the parcel is empty.
local function deliver(text, most)
  local state, kind = tonumber(string.sub(text, 1, 1)), string.sub(text, 2, 2)
  local key = B .. 'parcel:' .. string.sub(text, 3)
  local entries
  if kind == 'l' then
    entries = call('LPOP', key, most) or {}
  else
    entries = {}
    local rows = call('ZPOPMIN', key, most)
    for i = 1, #rows, 2 do entries[#entries + 1] = rows[i] end
  end
  local ids = {}
  for i = 1, #entries do ids[i] = string.sub(entries[i], 9) end
  load(ids)
  for i = 1, #entries do
    local seq, when = unpackFrom('>I7B', entries[i])
    local job = jobs[ids[i]]
    -- Cancelled, removed, or run by a person in the meantime.
    if job and not job.damaged and job.seq == seq and job.state == BLOCKED then
      if state ~= SUCCEEDED and when == 1 then
        finish(job, CANCELLED, DEPENDENCY)
      else
        job.depsLeft = job.depsLeft - 1
        touch(job)
        if job.depsLeft <= 0 then
          if job.dueAt then toScheduled(job, job.dueAt) else toReady(job) end
        end
      end
    end
  end
  return #entries, #entries < most or call('EXISTS', key) == 0
end

-- What is left goes to the outbox.
local function postpone()
  send('RPUSH', B .. 'outbox', parcels)
  for i = #parcels, 1, -1 do parcels[i] = nil end
end

-- Delivers what the step under way has brought; called at its end.
local function spread()
  local left = SPREAD_AT_ONCE
  while parcels[1] and left > 0 do
    local delivered, empty = deliver(parcels[1], left)
    left = left - delivered
    if empty then table.remove(parcels, 1) else break end
  end
  postpone()
end

-- Delivers up to `most` of what earlier steps have left; answers how many.
local function spreadOutbox(most)
  local done = 0
  while done < most do
    local text = call('LINDEX', B .. 'outbox', 0)
    if not text then break end
    local delivered, empty = deliver(text, most - done)
    done = done + delivered
    if empty then call('LPOP', B .. 'outbox') end
    if delivered == 0 and not empty then break end
  end
  postpone()
  return done
end

return spread, spreadOutbox

-- What others are told: waiting workers of new work, listeners of events; and what each minute brought. All of it is
-- gathered and sent once at a script's end.
--
-- waiters:<queue>  zset of clients that found nothing, by when they came. One is taken out for each new job and told on
--                  its channel; one that nobody hears any more is forgotten and the next is told.
-- Channels: `<base>wake:<client>` (a queue's name), `<base>cancel` (a queue's name), `<base>events` (packed events).

-- PUBSUB is by shard on a cluster of version 7 or newer; there the client says so. Plain channels elsewhere.
local news, dueNews, cancels = {}, {}, {}
local events, eventCount, heard = {}, 0, nil
local counts = {}

-- A job of the queue can be claimed.
local function notify(queue, count)
  news[queue] = (news[queue] or 0) + (count or 1)
end

-- Something of the queue falls due earlier than those who wait know.
local function notifyDue(queue)
  dueNews[queue] = true
end

local function listened()
  if heard == nil then heard = call('PUBSUB', 'NUMSUB', B .. 'events')[2] > 0 end
  return heard
end

-- progress: true where it is not the state that changed
local function tell(job, progress)
  if not listened() then return end
  local text = kindOf(job.kind).text
  eventCount = eventCount + 1
  events[eventCount] = pack('>BBI6I2c0I2c0', progress and 2 or 1, job.state, now, #job.id, job.id, #text, text)
end

local function count(job, field, amount)
  local key = job.kind .. field
  counts[key] = (counts[key] or 0) + amount
end

-- Wakes up to `wanted` clients that wait for a queue.
local function wake(queue, wanted)
  local key, woken, gone = B .. 'waiters:' .. queue, 0, 0
  while woken < wanted and gone < MOST_GONE do
    local first = call('ZPOPMIN', key)
    if not first[1] then return end
    if call('PUBLISH', B .. 'wake:' .. first[1], queue) > 0 then woken = woken + 1 else gone = gone + 1 end
  end
end

local function sendSignals()
  flush()
  for queue, wanted in pairs(news) do wake(queue, min(wanted, MOST_WAKES)) end
  for queue in pairs(dueNews) do if not news[queue] then wake(queue, 1) end end
  for queue in pairs(cancels) do call('PUBLISH', B .. 'cancel', queue) end
  if eventCount > 0 then call('PUBLISH', B .. 'events', table.concat(events)) end
  if next(counts) then
    local minute = floor(now / 60000) * 60000
    local key = B .. 'minute:' .. string.format('%.0f', minute)
    -- Run times have fractions.
    for field, amount in pairs(counts) do
      call(amount % 1 == 0 and 'HINCRBY' or 'HINCRBYFLOAT', key, field, amount)
    end
    call('EXPIRE', key, 86460)
  end
end

return cancels, counts, notify, notifyDue, listened, tell, count, sendSignals

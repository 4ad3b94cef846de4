-- What an outcome, or the loss of its worker, does to a job. `broker/outcomes.ts` and `brokers/memory/outcomes.ts` say
-- the same in TypeScript.

local function markStarted(job)
  if job.started then return end
  touch(job)
  job.started, job.claimedAt, job.startedAt = true, now, now
end

-- kind: an outcome; ranMs: -1 where it never ran; payload: the result (codec and bytes) or the error as JSON
local function settleOne(job, token, kind, ranMs, reason, delayMs, payload)
  touch(job)
  job.settledKind, job.settledToken = kind, token
  if ranMs >= 0 then count(job, 'm', ranMs) end
  local cancelling = job.cancelling
  local began = ranMs >= 0 or kind == DONE or kind == RETRY or kind == SNOOZED
  local noted = (cancelling and kind ~= DONE) and OBEYED or kind
  local err = kind ~= DONE and payload or ''
  local startedAt = 0
  if began then startedAt = max(job.createdAt, ranMs >= 0 and floor(now - ranMs) or job.claimedAt) end
  if kind == RETRY or (kind == FAILURE and reason <= NON_RETRYABLE) then job.failures = job.failures + 1 end
  local begun = job.begun
  job.startedAt = began and startedAt or (begun and lastAttemptStart(job) or 0)
  if began or noted == UNKNOWN or noted == FAILURE then
    addAttempt(job, noted, began and startedAt or now, err)
  end
  if kind == UNKNOWN then
    if job.unknownSince == 0 then job.unknownSince = now end
  elseif kind ~= RELEASED then
    job.unknownSince = 0
  end
  if err ~= '' then job.error = err elseif kind == DONE then job.error = '' end
  job.suspect, job.begun = false, begun or began
  if kind == DONE then
    job.result = payload
    finish(job, SUCCEEDED, 0)
  elseif cancelling then
    finish(job, CANCELLED, BY_REQUEST)
  elseif kind == FAILURE then
    finish(job, FAILED, reason)
  elseif kind == OBEYED then
    finish(job, CANCELLED, BY_REQUEST)
  elseif kind == RELEASED then
    enter(job, READY)
  else
    if kind == RETRY then count(job, 'r', 1) end
    toScheduled(job, now + delayMs)
  end
end

local function lostError(crashes)
  local counted = crashes == 0 and 'not counted as a crash' or 'crashes counted: ' .. crashes
  return '{"name":"OffstageError","message":"the worker of the job was lost while it ran (' .. counted
    .. ')","code":"WORKER_CRASHED","fingerprint":"WORKER_CRASHED"}'
end

-- What becomes of a claim whose lease has ended.
local function loseOne(job)
  touch(job)
  local started = job.started
  local counted = started and job.suspect
  local maxCrashes = linksOf(job).maxCrashes or DEFAULT_MAX_CRASHES
  if counted then
    job.crashes = job.crashes + 1
    count(job, 'x', 1)
  end
  if started then
    job.error = lostError(job.crashes)
    addAttempt(job, CRASHED, job.claimedAt, job.error)
    job.suspect, job.begun = true, true
  end
  if job.cancelling then
    finish(job, CANCELLED, BY_REQUEST)
  elseif counted and job.crashes >= maxCrashes then
    finish(job, FAILED, CRASHES)
  else
    enter(job, READY)
  end
end

return markStarted, settleOne, loseOne

-- Names for numbers and formats that the scripts share. They are put in place of the names when a script is composed,
-- since a function in Lua may hold only so many names, and each that functions share costs time at every call.

-- States, and the names that they have in keys.
local BLOCKED = 1
local SCHEDULED = 2
local READY = 3
local ACTIVE = 4
local SUCCEEDED = 5
local FAILED = 6
local CANCELLED = 7

-- Reasons, in the order of `job/states.ts`.
local NON_RETRYABLE = 2
local CRASHES = 3
local DAMAGED = 4
local BY_REQUEST = 6
local EXPIRED = 7
local DEPENDENCY = 8
local REPLACED = 9

-- Outcomes of attempts.
local DONE = 1
local RETRY = 2
local FAILURE = 3
local RELEASED = 4
local SNOOZED = 5
local UNKNOWN = 6
local OBEYED = 7
local CRASHED = 8

-- Flags of what was asked.
local RUN_AT = 1
local EXPIRES = 2
local VERSIONED = 4
local PARTITION = 8
local LINKS = 16
-- The flags up to here are in the record; the others are of a call.
local IN_RECORD = 64
local DELAY = 256
local REPLACES = 512

-- Flags of what became of it.
local BEGUN = 1
local SUSPECT = 2
local CANCELLING = 4
local HOLDS_KEY = 8
local STARTED = 16
local LOGS = 32
local STEPS = 64
local STAGED = 128

-- The packed values; `lib-record.lua` says what is in them.
local HEAD = '>I6I7I2BI2BB'
local HEAD_BYTES = 20
local LIVE = '>BBI2I2I2I6dI6I6I6I7BI7I6I4Bc0I4c0I4c0BI4c0I4c0'
local FIRST_CLAIM = 129
local FIRST_SUCCESS = 130

-- Numbers a millisecond that sequence numbers and tokens have.
local TICKS = 64
-- Scores in lanes: priorities are that far apart.
local PLACES = 281474976710656
-- The priority of jobs that are given none.
local USUAL = 5
local MAX_ATTEMPTS = 10
-- What two bytes hold.
local MOST_KINDS = 65535
local DEFAULT_MAX_CRASHES = 3
local TOMBSTONE_MS = 300000

-- Lua's stack holds some 8,000 values; a command is sent with fewer.
local MOST_ARGS = 4000
-- The most jobs of each kind that one call promotes, expires, reclaims or removes.
local STEP = 200
-- The most dependents that one outcome reaches at once.
local SPREAD_AT_ONCE = 100
-- The most jobs that one look for the next moves to a lane of their own.
local MOST_MOVES = 500
-- The most dead entries that one call passes over.
local MOST_DEAD = 2000
-- The most lanes or scopes that one step opens because the time of a rate has come.
local MOST_TIMED = 500
-- The most waiting clients that one call wakes for a queue; each that takes all it wants wakes the next.
local MOST_WAKES = 8
-- The most clients that are gone which one call looks at.
local MOST_GONE = 64
-- Lanes that a claim reads at once.
local CHUNK = 64

// Every error code of the library in one table: whether repeating the call may help, and what to do about it.
// The reference page of errors is made from this table, and a test holds the two together.

export interface ErrorCodeInfo {
  /** True where the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean
  /** What happened and what to do, in one or two sentences. */
  readonly help: string
}

const table = {
  OPTION_INVALID: {
    retryable: false,
    help: 'An option is unknown or its value breaks a rule. The message names the option, the value and the rule.',
  },
  NAME_INVALID: {
    retryable: false,
    help: 'Names of tasks and queues have 1 to 128 letters, digits or _ . : - characters.',
  },
  ID_INVALID: {
    retryable: false,
    help: 'Ids and keys have 1 to 512 bytes of UTF-8 without control characters.',
  },
  DURATION_INVALID: {
    retryable: false,
    help: "A duration is a whole number of milliseconds or a string like '500ms', '30s', '5m', '2h', '3d', and never negative.",
  },
  INPUT_INVALID: {
    retryable: false,
    help: 'The input does not match the schema of the task. The message names the path of each wrong value.',
  },
  OUTPUT_INVALID: {
    retryable: false,
    help: 'The handler returned a value that does not match the output schema of the task.',
  },
  BATCH_ANSWER_INVALID: {
    retryable: false,
    help: 'A runBatch handler has to answer a list with a result or an Error for each item, in order. All attempts of the batch count as failed.',
  },
  NOT_JSON: {
    retryable: false,
    help: 'The value cannot be carried by JSON, or reads back as another value. The message names the path. Send a plain value instead.',
  },
  PAYLOAD_TOO_LARGE: {
    retryable: false,
    help: 'The payload is above the limit. Store the data elsewhere and send a reference, or raise maxPayloadBytes.',
  },
  PAYLOAD_UNREADABLE: {
    retryable: false,
    help: 'The stored bytes cannot be read as a value: they were damaged, or written with a codec that this worker does not have.',
  },
  ID_TAKEN: {
    retryable: false,
    help: 'The id belongs to a job of another task. Put the name of the task into the id.',
  },
  DEPENDENCY_MISSING: {
    retryable: false,
    help: 'A job was to run after one that does not exist (any more).',
  },
  SHARD_MISMATCH: {
    retryable: false,
    help: 'What belongs together has to share a shard: the own id of a job, its unique key, partition and workflow, and the jobs it runs after. Put the same text in braces into each of them, as in order-{customer-7}-42.',
  },
  SHARD_LIMIT: {
    retryable: false,
    help: 'Fewer jobs at once than the namespace has shards cannot be divided among them. Limit the partitions of the queue instead, which is exact, raise the limit, or use fewer shards.',
  },
  JOB_NOT_FOUND: {
    retryable: false,
    help: 'No job with this id is kept: it was never enqueued, it was removed, or its retention has passed.',
  },
  JOB_FAILED: {
    retryable: false,
    help: 'The job ended as a dead letter. The cause holds the error of its last attempt.',
  },
  JOB_CANCELLED: { retryable: false, help: 'The job was cancelled. The message holds the reason.' },
  RESULT_TIMEOUT: {
    retryable: true,
    help: 'The job had not ended when the time to wait for its result was over. It goes on.',
  },
  ATTEMPT_TIMEOUT: {
    retryable: true,
    help: 'The attempt ran longer than the timeout of its task, or the limit of the worker for its queue. Its signal was aborted; it is retried by the policy of the task.',
  },
  LEASE_LOST: {
    retryable: false,
    help: 'This worker no longer holds the job: its lease ran out or the job was taken from it. Nothing it writes is accepted; another attempt runs elsewhere.',
  },
  WORKER_STOPPED: {
    retryable: true,
    help: 'The worker stopped before the handler had finished. The job was given back and runs elsewhere.',
  },
  WORKER_CRASHED: {
    retryable: false,
    help: "The job ended the process that ran it as often as maxCrashes allows. Mend the handler, or keep what kills the process (memory, process.exit) out of it: runIn: 'process'.",
  },
  WORKER_STATE: { retryable: false, help: 'The worker was started twice, or used after it was stopped.' },
  TASK_UNKNOWN: {
    retryable: true,
    help: 'This worker has no task of that name. The job is put back with a delay and becomes a dead letter after unknownAfter.',
  },
  TASK_DUPLICATE: {
    retryable: false,
    help: 'Two live definitions have the same name. Names are unique within an app.',
  },
  TASK_NOT_IMPLEMENTED: {
    retryable: false,
    help: 'The task was defined but not implemented in this process. Import the module that calls implement().',
  },
  RECORD_VERSION_UNKNOWN: {
    retryable: true,
    help: 'The job was written by a newer version of the library. It is put back with a delay for a worker that knows it.',
  },
  BROKER_REQUIRED: {
    retryable: false,
    help: "Under NODE_ENV=production a broker has to be named: offstage({ broker: 'sqlite:./offstage.db' }) or OFFSTAGE_BROKER.",
  },
  BROKER_UNKNOWN: {
    retryable: false,
    help: 'No broker has this URL scheme. The message lists the known ones.',
  },
  BROKER_CLIENT_MISSING: {
    retryable: false,
    help: 'The client library of this broker is not installed. The message says what to install.',
  },
  BROKER_UNAVAILABLE: { retryable: true, help: 'The broker could not be reached or did not answer in time.' },
  BROKER_AUTH: {
    retryable: false,
    help: 'The server refused the user or the password, or asks for one. Put it into the URL (redis://user:password@host, postgres://user:password@host), with % and other special characters percent-encoded.',
  },
  BROKER_FORBIDDEN: {
    retryable: false,
    help: 'The user of the connection lacks a permission. The message names the command; the page of the broker lists what a user needs.',
  },
  BROKER_TOO_OLD: {
    retryable: false,
    help: 'The server is older than this broker can work with. The message holds its version and the oldest one that will do.',
  },
  BROKER_IS_CLUSTER: {
    retryable: false,
    help: 'The server is a node of a Redis Cluster. Write redis+cluster:// with some of its nodes instead of redis://.',
  },
  BROKER_NOT_CLUSTER: {
    retryable: false,
    help: 'The server is not a node of a Redis Cluster. Write redis:// instead of redis+cluster://.',
  },
  BROKER_IS_REPLICA: {
    retryable: true,
    help: 'The server is a read-only replica. Name its primary; with Redis, or the sentinels with redis+sentinel://.',
  },
  BROKER_MASTER_UNKNOWN: {
    retryable: false,
    help: 'No sentinel that answered watches a primary of this name. Check the name behind the slash of the URL.',
  },
  BROKER_DATABASE_MISSING: {
    retryable: false,
    help: 'The server has no database of this name. Create it, or name another one in the URL.',
  },
  BROKER_ENCODING: {
    retryable: false,
    help: "The database is not encoded in UTF-8, so it cannot keep every text. Create one with ENCODING 'UTF8' TEMPLATE template0, and name it in the URL.",
  },
  BROKER_EVICTS: {
    retryable: false,
    help: 'The server may throw away jobs when its memory is full. Set maxmemory-policy to noeviction, or name a server that has it.',
  },
  BROKER_CLOSED: {
    retryable: false,
    help: 'The broker was closed while the call was under way or before it.',
  },
  BROKER_UNSUPPORTED: {
    retryable: false,
    help: 'This broker lacks the capability. The table of capabilities says which has it.',
  },
  STORE_NOT_A_DATABASE: {
    retryable: false,
    help: 'The file exists and is not a database of this library. Name another file; nothing was changed.',
  },
  STORE_READONLY: {
    retryable: true,
    help: 'The store or its folder cannot be written. Check the owner and the mode.',
  },
  STORE_FULL: {
    retryable: true,
    help: 'The disk, or the memory that the store may use, is full. Nothing was changed; work goes on once there is room.',
  },
  STORE_KEY_TAKEN: {
    retryable: false,
    help: 'A key in the place of this library holds something else, or the schema does. Nothing was overwritten. Remove the key, or choose another prefix, namespace or schema.',
  },
  STORE_CORRUPT: {
    retryable: false,
    help: 'The store is damaged. Restore it from a copy; the message holds what the engine said.',
  },
  STORE_TOO_NEW: {
    retryable: false,
    help: 'The store was written by a newer version that this one may not read. Update the library.',
  },
  STORE_TOO_OLD: {
    retryable: false,
    help: "The store has not been brought up to date, and opening it may not do so. Run 'offstage migrate', with a role that owns the schema.",
  },
  STORE_FAILED: {
    retryable: true,
    help: 'The engine of the store reported an error that has no code of its own. The message holds it.',
  },
  SQLITE_ENGINE_MISSING: {
    retryable: false,
    help: 'No SQLite engine passed the gate (node:sqlite or better-sqlite3 with SQLite 3.51.3 or newer, or a patched backport). Run npm install better-sqlite3@12, or use a newer Node.',
  },
  TX_UNSUPPORTED: {
    retryable: false,
    help: 'The broker cannot take part in a transaction: its jobs are not kept in a database that the transaction could be on, or the connection cannot hold them. Enqueue after the commit instead.',
  },
  TX_INVALID: {
    retryable: false,
    help: 'What was given as tx is no open transaction of the database in which the jobs are kept. The message says what it looks like. Pass the object that the library hands to the function of the transaction.',
  },
  TX_ABORTED: {
    retryable: false,
    help: 'A statement of the transaction failed, before this call or in it, so that nothing of the transaction can be committed. Let it roll back; the cause holds what the server said.',
  },
  TX_NOT_COMMITTED: {
    retryable: true,
    help: 'The handler had called ctx.complete(), and its transaction was not committed when it returned: it was rolled back, or its end was not awaited. Nothing of it was recorded, and the attempt counts as failed.',
  },
  TEXT_INVALID: {
    retryable: false,
    help: 'A text holds a character that the store cannot keep, such as U+0000. The message holds what the server said.',
  },
  APP_CLOSED: { retryable: false, help: 'The app was closed. Make a new one.' },
  TYPESCRIPT_LOADER_MISSING: {
    retryable: false,
    help: 'The module is TypeScript and this Node cannot load it. Run npm install --save-dev tsx, or use Node 22.18 or newer.',
  },
  MODULE_INVALID: {
    retryable: false,
    help: 'The module does not export or define what was expected of it. The message says what it does.',
  },
  MODULE_FAILED: {
    retryable: true,
    help: 'The module could not be imported in the thread or process that was to use it. The cause says why. A module that defines tasks must not open ports or start workers when it is imported.',
  },
  EXECUTOR_CRASHED: {
    retryable: true,
    help: 'The thread or process that ran it ended before it had: out of memory, process.exit, an uncaught error, a signal. The message says which. Others are unharmed; a job is retried by the policy of its task.',
  },
  NOT_CLONEABLE: {
    retryable: false,
    help: 'An argument or a result of an offloaded function cannot be copied to or from its thread: a function, a promise, a stream. Pass plain data.',
  },
  OFFLOAD_TIMEOUT: {
    retryable: true,
    help: 'The offloaded function ran longer than the timeout that was given to app.offload(); waiting for a thread does not count. Its thread was ended.',
  },
  NON_RETRYABLE: {
    retryable: false,
    help: 'Thrown by a handler: retrying cannot help. The job becomes a dead letter at once.',
  },
  RETRY_AFTER: {
    retryable: true,
    help: 'Thrown by a handler: the attempt failed, and the next one starts after the given time.',
  },
  SNOOZE: {
    retryable: true,
    help: 'Thrown by a handler: not now. The job runs again after the given time and no attempt is burnt.',
  },
} as const

export type ErrorCode = keyof typeof table

export const errorCodes: { readonly [C in ErrorCode]: ErrorCodeInfo } = table

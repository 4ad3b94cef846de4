// The public names, grouped; nothing else.

export type { App, HandlesOf } from './app/app.ts'
// Apps and tasks
export { offstage } from './app/app.ts'
export type { Offloaded, OffloadOptions } from './app/offload.ts'
export type { AppOptions } from './app/options.ts'
export type { AppWorker, AppWorkerOptions, StopOptions, TaskList } from './app/worker.ts'
// Around
export type { Broker } from './broker/contract.ts'
export type { Transaction } from './broker/transactions/shapes.ts'
export type { ManyOptions, TogetherOptions } from './client/client.ts'
// Jobs that are there
export type { EventsOptions, JobHandle, ResultOptions } from './client/handle.ts'
export type {
  JobInspector,
  QueueInspector,
  ScheduleInspector,
  SnapshotPage,
  WorkerInspector,
} from './client/inspector.ts'
export type { JobSnapshot } from './client/snapshot.ts'
export type { CallArguments, DefinedTask, Task } from './client/task.ts'
// Errors
export { type ErrorCode, errorCodes } from './errors/codes.ts'
// Inside a handler
export { NonRetryable, RetryAfter, Snooze } from './errors/control.ts'
export { codeOf, hasCode, OffstageError } from './errors/error.ts'
export type { JobState } from './job/states.ts'
export type { Clock } from './runtime/clock.ts'
export type { Duration } from './runtime/durations.ts'
export { type LogFields, type Logger, type LogMethod, silentLogger, stderrLogger } from './runtime/logger.ts'
export type { Size } from './runtime/sizes.ts'
export type { Call } from './task/call.ts'
export type { BatchContext, BatchItem, JobInfo, JobLog, TaskContext } from './task/context.ts'
export type { AnyTask } from './task/definition.ts'
export type { Jsonify } from './task/jsonify.ts'
export type { EnqueueCall, Execution, Middleware } from './task/middleware.ts'
export type * from './task/options.ts'
export type { PlacesOptions } from './task/places.ts'
export type { TaskDefaults } from './task/resolve.ts'
export type { Schema } from './task/schema.ts'
export { type } from './task/schema.ts'

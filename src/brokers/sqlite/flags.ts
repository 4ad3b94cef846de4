// The bits of a job's `flags`: what most jobs lack, so that one number tells that a job needs no special care.
export const FLAG = {
  /** Holds its unique key. */
  unique: 1,
  cancelling: 2,
  /** Others wait for it, or keep its record. */
  parent: 4,
  /** It waited for others, whose records it keeps until it has ended. */
  child: 8,
  search: 16,
  /** Its input is in `payloads`. */
  big: 32,
  /** It has log lines or steps. */
  notes: 64,
  staged: 128,
  /** Its retention is not the default one. */
  retention: 256,
} as const

/** What makes the end of a job more than a change of its row. */
export const CARE: number = FLAG.unique | FLAG.parent | FLAG.child | FLAG.retention

/** Inputs larger than this stand apart from the row of their job. In bytes. */
export const BIG_INPUT = 512

// The bits of a job's `flags`, as `sql/flags.md` has them.
export const FLAG = {
  unique: 1,
  cancelling: 2,
  child: 8,
  search: 16,
  waitingKey: 32,
  staged: 128,
  retention: 256,
  suspect: 2_048,
  /** Only on its way: a waiting job of the same unique key is replaced. */
  replaces: 65_536,
} as const

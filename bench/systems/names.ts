// The systems that are measured, and what the tables call them. Apart from how they are opened, so that who only needs
// the names needs none of their packages.
export type SystemName =
  | 'offstage'
  | 'bullmq'
  | 'bee'
  | 'bare'
  | 'graphile'
  | 'pg-boss'
  | 'bullmq-postgres'
  | 'bare-postgres'

export const titles: { readonly [name in SystemName]: string } = {
  offstage: 'Offstage',
  bullmq: 'BullMQ',
  bee: 'Bee-Queue',
  bare: 'bare prototype',
  graphile: 'graphile-worker',
  'pg-boss': 'pg-boss',
  'bullmq-postgres': 'BullMQ',
  'bare-postgres': 'bare prototype',
}

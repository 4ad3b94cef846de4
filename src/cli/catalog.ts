// Every command: its words, what it is for, and where it stands.
import type { CommandEntry } from './spec.ts'

export const catalog: readonly CommandEntry[] = [
  {
    name: 'dev',
    summary: 'Run a worker that restarts when its sources change',
    load: () => import('./commands/dev.ts'),
  },
  {
    name: 'worker',
    summary: 'Run the jobs of the tasks in a module',
    load: () => import('./commands/worker.ts'),
  },
  {
    name: 'enqueue',
    summary: 'Enqueue one job, and wait for it if asked',
    load: () => import('./commands/enqueue.ts'),
  },
  { name: 'jobs ls', summary: 'List jobs', load: () => import('./commands/jobs-ls.ts') },
  {
    name: 'jobs show',
    summary: 'Show all that is known of a job',
    load: () => import('./commands/jobs-show.ts'),
  },
  {
    name: 'jobs retry',
    summary: 'Run failed and cancelled jobs again',
    load: () => import('./commands/jobs-retry.ts'),
  },
  { name: 'jobs cancel', summary: 'Cancel jobs', load: () => import('./commands/jobs-cancel.ts') },
  { name: 'jobs rm', summary: 'Delete the records of jobs', load: () => import('./commands/jobs-rm.ts') },
  {
    name: 'queues ls',
    summary: 'List queues with their counts',
    load: () => import('./commands/queues-ls.ts'),
  },
  {
    name: 'queues pause',
    summary: 'Stop claiming from a queue',
    load: () => import('./commands/queues-pause.ts'),
  },
  {
    name: 'queues resume',
    summary: 'Claim from a queue again',
    load: () => import('./commands/queues-resume.ts'),
  },
  {
    name: 'queues limit',
    summary: 'Show, set or clear the limits of a queue',
    load: () => import('./commands/queues-limit.ts'),
  },
  {
    name: 'status',
    summary: 'Show counts, workers and throughput',
    load: () => import('./commands/status.ts'),
  },
  {
    name: 'migrate',
    summary: 'Bring the store up to date, or show what that takes',
    load: () => import('./commands/migrate.ts'),
  },
  {
    name: 'doctor',
    summary: 'Check that this machine can do the work',
    load: () => import('./commands/doctor.ts'),
  },
]

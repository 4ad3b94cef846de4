// Outcomes, leases and notes on their way to the scripts.
import type { HeldLease, LeaseRef, Note, Outcome } from '../../../broker/contract.ts'
import type { Payload } from '../../../job/record.ts'
import { ByteWriter } from './bytes.ts'
import { writeId } from './ids.ts'
import { outcomeNumber, reasonNumber } from './layout.ts'

const LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type Level = (typeof LEVELS)[number]

export function packOutcomes(started: readonly LeaseRef[], outcomes: readonly Outcome[]): Buffer {
  const writer = new ByteWriter()
  writer.u32(started.length)
  for (const lease of started) writeLease(writer, lease)
  writer.u32(outcomes.length)
  for (const outcome of outcomes) {
    writeLease(writer, outcome)
    writer.u8(outcomeNumber(outcome.kind))
    writer.f64(outcome.ranMs ?? -1)
    writer.u8('reason' in outcome ? reasonNumber(outcome.reason) : 0)
    writer.f64('delayMs' in outcome ? wait(outcome.delayMs) : 0)
    if (outcome.kind === 'succeeded') writer.sized32(() => writePayload(writer, outcome.result))
    else if ('error' in outcome) writer.text32(JSON.stringify(outcome.error))
    else writer.u32(0)
  }
  return writer.take()
}

/** What is no delay must not break off a script that others share: it means at once. */
function wait(delayMs: number): number {
  return Number.isFinite(delayMs) ? Math.max(0, delayMs) : 0
}

export function packLeases(leases: readonly HeldLease[]): Buffer {
  const writer = new ByteWriter()
  writer.u32(leases.length)
  for (const lease of leases) {
    writeLease(writer, lease)
    writer.u8(lease.started ? 1 : 0)
  }
  return writer.take()
}

export function packNotes(notes: readonly Note[]): Buffer {
  const writer = new ByteWriter()
  writer.u32(notes.length)
  for (const note of notes) {
    writeLease(writer, note)
    writer.u8(note.kind === 'progress' ? 1 : note.kind === 'log' ? 2 : 3)
    writer.u8(note.kind === 'log' ? LEVELS.indexOf(note.level) : 0)
    writer.text16(note.kind === 'step' ? note.name : '')
    if (note.kind === 'log') writer.text32(note.text)
    else writer.sized32(() => writePayload(writer, note.value))
  }
  return writer.take()
}

export function levelName(number: number): Level {
  return LEVELS[number] ?? 'info'
}

function writePayload(writer: ByteWriter, { codec, bytes }: Payload): void {
  writer.u8(codec)
  writer.raw(bytes)
}

/** A token of nothing that was ever claimed is sent as one that no claim has. */
function writeLease(writer: ByteWriter, { id, token }: LeaseRef): void {
  writeId(writer, id)
  writer.u56(Number.isSafeInteger(token) && token > 0 ? token : 0)
}

// How batches cross to the broker's thread and back: a column a field, so that a batch is a handful of flat arrays,
// and one transferred buffer for all payloads. Columns that nobody fills are left out.

export type Bytes = Uint8Array<ArrayBuffer>

/** Payloads end to end. */
export class Packer {
  readonly lengths: number[] = []
  readonly #parts: Uint8Array[] = []
  #size = 0

  add(bytes: Uint8Array): void {
    this.#parts.push(bytes)
    this.lengths.push(bytes.length)
    this.#size += bytes.length
  }

  join(): Bytes {
    const all = new Uint8Array(this.#size)
    let at = 0
    for (const part of this.#parts) {
      all.set(part, at)
      at += part.length
    }
    return all
  }
}

/** Strings that come again and again, by number. */
export class Dictionary {
  readonly words: string[] = []
  readonly #numbers = new Map<string, number>()

  number(word: string): number {
    let number = this.#numbers.get(word)
    if (number === undefined) {
      number = this.words.push(word) - 1
      this.#numbers.set(word, number)
    }
    return number
  }
}

export type Column<T> = (T | undefined)[] | undefined

/** A column that is only made when somebody has a value for it. */
export function put<T>(column: Column<T>, index: number, value: T | undefined): Column<T> {
  if (value === undefined) {
    column?.push(undefined)
    return column
  }
  const values = column ?? Array.from({ length: index }, () => undefined)
  values.push(value)
  return values
}

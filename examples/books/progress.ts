// Shows how far the run is: a bar that redraws itself on a terminal, else a plain line at most once a second.

/** The part of a stream such as `process.stdout` that is needed. */
export interface Output {
  write(text: string): unknown
  isTTY?: boolean | undefined
}

export interface Progress {
  update(done: number): void
  /** Shows the last state, whatever was shown before, and ends the line. */
  end(): void
}

const WIDTH = 40
const LINE_EVERY_MS = 1000

/** A progress display up to `total`. `now` is in milliseconds and only needs to move forward. */
export function showProgress(output: Output, total: number, now = () => performance.now()): Progress {
  const bar = output.isTTY === true
  let shown = ''
  let latest = 0
  let lineAt = Number.NEGATIVE_INFINITY

  function draw(): void {
    const text = bar ? drawBar(latest, total) : `${formatCount(latest)} of ${formatCount(total)} books done`
    if (text === shown) return
    shown = text
    lineAt = now()
    output.write(bar ? `\r${text}` : `${text}\n`)
  }

  return {
    update(done) {
      latest = done
      if (bar || now() - lineAt >= LINE_EVERY_MS) draw()
    },
    end() {
      draw()
      if (bar) output.write('\n')
    },
  }
}

/** `1000` as `1,000`, whatever the language of the machine. */
export function formatCount(count: number): string {
  return count.toLocaleString('en')
}

function drawBar(done: number, total: number): string {
  const share = total === 0 ? 1 : done / total
  const filled = Math.round(share * WIDTH)
  const percent = String(Math.floor(share * 100)).padStart(3)
  // Padded, so that a shorter text leaves nothing of a longer one behind.
  return `[${'='.repeat(filled)}${' '.repeat(WIDTH - filled)}] ${percent} %  ${formatCount(done)} of ${formatCount(total)} books `
}

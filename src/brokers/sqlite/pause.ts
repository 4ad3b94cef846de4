// A short sleep of the broker's thread, which has nothing else to do while another process holds the file.

const LONGEST_MS = 5
const nobody = new Int32Array(new SharedArrayBuffer(4))

/** @param tries how often the file was found busy; the sleep grows with it, at random, up to 5 ms */
export function pause(tries: number): void {
  Atomics.wait(nobody, 0, 0, Math.random() * Math.min(LONGEST_MS, 0.25 * 2 ** Math.min(tries, 10)))
}

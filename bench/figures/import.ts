// How long `import 'offstage'` takes in a fresh process without any loader.
import { execFileSync } from 'node:child_process'
import { print } from './support.ts'

const code =
  "const start = performance.now(); await import('offstage'); console.log(performance.now() - start)"
const root = new URL('../..', import.meta.url).pathname
const out = execFileSync(process.execPath, ['--input-type=module', '-e', code], {
  encoding: 'utf8',
  cwd: root,
})
print({ ms: Number(out) })

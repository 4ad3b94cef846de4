// The simulation as plain JavaScript: what runs millions of times is not to pass a loader first.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exit } from 'node:process'
import { root, tool } from './setup.mjs'

/** Builds it and answers the folder, which has `src/` and `test/` as the clone has. */
export function buildSimulation(name = 'simulation') {
  // Inside node_modules, so that what it imports is found.
  const folder = join(root, 'node_modules/.cache/offstage', name)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n')
  const built = tool('typescript/bin/tsc', ['-p', 'test/simulation/tsconfig.json', '--outDir', folder])
  if (built.status === 0) return folder
  console.error('The simulation could not be built.')
  return exit(1)
}

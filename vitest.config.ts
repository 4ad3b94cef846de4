import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const source = (path: string): string => fileURLToPath(new URL(`./src/${path}`, import.meta.url))

export default defineConfig({
  resolve: {
    // Tests import the public names and get the sources, so that no build stands between a change and its test.
    alias: [
      { find: /^offstage$/, replacement: source('index.ts') },
      { find: /^offstage\/testing$/, replacement: source('testing/index.ts') },
      { find: /^offstage\/laws$/, replacement: source('laws/index.ts') },
      { find: /^offstage\/memory$/, replacement: source('brokers/memory/memory.ts') },
      { find: /^offstage\/sqlite$/, replacement: source('brokers/sqlite/sqlite.ts') },
      { find: /^offstage\/redis$/, replacement: source('brokers/redis/redis.ts') },
      { find: /^offstage\/postgres$/, replacement: source('brokers/postgres/postgres.ts') },
      { find: /^offstage\/broker$/, replacement: source('broker/contract.ts') },
    ],
  },
  test: {
    environment: 'node',
    pool: 'forks',
    maxWorkers: 2,
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'examples/**/*.test.ts'],
    exclude: ['**/node_modules/**', 'dist/**'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
})

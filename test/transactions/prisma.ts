// Prisma's client as its generator makes one, for a schema without models: the generator wants an engine that has to be
// downloaded, and what is made of a schema is of no matter here.
import { PrismaPg } from '@prisma/adapter-pg'
import { type GetPrismaClientConfig, getPrismaClient } from '@prisma/client/runtime/client'

const compiler = '@prisma/client/runtime/query_compiler_fast_bg.postgresql'

const config: GetPrismaClientConfig = {
  previewFeatures: [],
  clientVersion: '7.10.0',
  engineVersion: 'none',
  activeProvider: 'postgresql',
  inlineSchema: 'datasource db { provider = "postgresql" }',
  runtimeDataModel: { models: {}, enums: {}, types: {} },
  // No strings and no nodes, as their counts say.
  parameterizationSchema: { strings: [], graph: 'AAAAAA' },
  compilerWasm: {
    getRuntime: () => import(`${compiler}.mjs`),
    getQueryCompilerWasmModule: async () => {
      const { wasm } = (await import(`${compiler}.wasm-base64.mjs`)) as { readonly wasm: string }
      return new wasmModule(Buffer.from(wasm, 'base64'))
    },
    importName: './query_compiler_fast_bg.js',
  },
}

const { Module: wasmModule } = Reflect.get(globalThis, 'WebAssembly') as {
  readonly Module: new (bytes: Uint8Array) => object
}

/** What is used of the client, as its generated types have it. */
export interface PrismaClient extends PrismaTransactionClient {
  $connect(): Promise<void>
  $disconnect(): Promise<void>
  $transaction<T>(work: (tx: PrismaTransactionClient) => Promise<T>): Promise<T>
}

export interface PrismaTransactionClient {
  $queryRawUnsafe<T = unknown>(query: string, ...values: unknown[]): PromiseLike<T>
  $executeRawUnsafe(query: string, ...values: unknown[]): PromiseLike<number>
}

export function prismaClient(url: string): PrismaClient {
  const PrismaClient = getPrismaClient(config)
  return new PrismaClient({ adapter: new PrismaPg({ connectionString: url }) }) as unknown as PrismaClient
}

// Renews leases again and again, as several keepers would at the same moment, while a case does something else.
import type { Broker, LeaseRef } from '../broker/contract.ts'
import { LONG_LEASE_MS } from './factories.ts'
import { breathe } from './time.ts'

const AT_ONCE = 4

export async function whileRenewing(
  broker: Broker,
  jobs: readonly LeaseRef[],
  work: () => Promise<void>,
): Promise<void> {
  const leases = jobs.map(({ id, token }) => ({ id, token, started: true }))
  let renewing = true
  const renew = async (): Promise<void> => {
    while (renewing) {
      await broker.extend(leases, LONG_LEASE_MS)
      await breathe(0)
    }
  }
  const renewals = Promise.all(Array.from({ length: AT_ONCE }, renew))
  // A trouble of theirs is told after that of the work.
  renewals.catch(() => undefined)
  try {
    await work()
  } finally {
    renewing = false
  }
  await renewals
}

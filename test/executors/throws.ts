// A module that cannot be imported.
export const never: unknown = fail()

function fail(): never {
  throw new Error('no import of this')
}

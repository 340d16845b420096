import { unserialize } from 'php-serialize'

/** A scalar of PHP's, as Drupal's variables hold them. */
export type PhpScalar = string | number | boolean | null

/**
 * The scalar in a row of Drupal's `variable` table, in whatever form the last writer used (`i:1;`, `b:1;`, `s:1:"1";`);
 * undefined for anything else, arrays, objects and garbage included: none of the variables that we read is one.
 */
export function readPhpScalar(serialised: string): PhpScalar | undefined {
  if (!/^(?:[bids]:|N;)/.test(serialised)) return undefined
  try {
    const value: unknown = unserialize(serialised)
    if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
    return typeof value === 'number' && !Number.isNaN(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Whether PHP takes the scalar for true: 0, '', '0', FALSE and NULL are not. */
export function isPhpTrue(value: PhpScalar | undefined): boolean {
  return value !== undefined && value !== null && value !== false && value !== 0 && value !== '' && value !== '0'
}

import { stripVTControlCharacters } from 'node:util'

/** Longest text of a client that is logged or printed, in characters, unless a caller has room for more. */
const LONGEST = 200

/**
 * What clients of Aegir can influence (titles, names, arguments) is data: escape sequences and control characters,
 * line ends and the marks that turn the direction of writing included, are taken out before it is logged or printed.
 */
export function printable(text: string, longest = LONGEST): string {
  const plain = stripVTControlCharacters(text.slice(0, longest * 4))
    // eslint-disable-next-line no-control-regex
    .replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, '')
  return plain.length > longest ? `${plain.slice(0, longest)}…` : plain
}

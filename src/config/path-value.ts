import { isAbsolute, join, normalize } from 'node:path'

/** A value out of its text, or what the text must be. */
export type Reading<T> = { value: T } | { must: string }

// eslint-disable-next-line no-control-regex -- control characters are what it looks for
export const CONTROL = /[\u0000-\u001f\u007f]/

export function readPath(text: string, home: string): Reading<string> {
  const path = text === '~' ? home : text.startsWith('~/') ? join(home, text.slice(2)) : text
  if (!isAbsolute(path) || CONTROL.test(path)) return { must: 'an absolute path (~/ stands for the home directory)' }
  return { value: normalize(path) }
}

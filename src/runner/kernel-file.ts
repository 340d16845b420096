import { closeSync, openSync, readSync } from 'node:fs'
import { isShortage } from './plain-file.js'

/**
 * What is read of a process; undefined when there is none, or none that we may know of. That we cannot look, for want of file
 * descriptors as a rule, must not be taken for that: @throws the error then.
 */
export function orNoProcess<Value>(read: () => Value): Value | undefined {
  try {
    return read()
  } catch (error) {
    if (isShortage(error)) throw error
    return undefined
  }
}

/**
 * The beginning of a small file of the kernel's; undefined when there is none. Such a file says that its size is zero,
 * for which `readFileSync` allocates 64 kB: several times with each run, that is memory that a daemon does not give back.
 *
 * @param buffer as large as the file can be; may be used again afterwards.
 * @throws as `orNoProcess`
 */
export function readKernelFile(file: string, buffer: Buffer): string | undefined {
  return orNoProcess(() => {
    const fd = openSync(file, 'r')
    try {
      return buffer.toString('latin1', 0, readSync(fd, buffer, 0, buffer.length, 0))
    } finally {
      closeSync(fd)
    }
  })
}

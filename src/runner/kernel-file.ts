import { closeSync, openSync, readSync } from 'node:fs'

/**
 * The beginning of a small file of the kernel's; undefined when there is none. Such a file says that its size is zero,
 * for which `readFileSync` allocates 64 kB: several times with each run, that is memory that a daemon does not give back.
 *
 * @param buffer as large as the file can be; may be used again afterwards.
 */
export function readKernelFile(file: string, buffer: Buffer): string | undefined {
  let fd: number | undefined
  try {
    fd = openSync(file, 'r')
    return buffer.toString('latin1', 0, readSync(fd, buffer, 0, buffer.length, 0))
  } catch {
    return undefined
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

import { statSync, type Stats } from 'node:fs'
import { dirname } from 'node:path'
import { localConfigFile } from './find-config.js'

/**
 * What can be seen of skynet.conf, local.skynet.conf and their folder without reading them: two equal fingerprints mean
 * that loading again would give the same. Compare with `===`, and take it before loading, so that what changes meanwhile
 * is seen the next time. Never throws: what cannot be looked at is part of it too.
 */
export function configFingerprint(file: string): string {
  return `${look(file)} ${look(localConfigFile(file))} ${lookAtFolder(dirname(file))}`
}

function look(path: string): string {
  const stats = statOf(path)
  if (typeof stats !== 'object') return String(stats)
  // The time of the inode's own change shows what the time of writing can be made to hide, and a chmod or chown.
  return `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeMs}:${stats.ctimeMs}`
}

/** Not its times: other files come and go in it. Its mode and owner decide whether the files are accepted. */
function lookAtFolder(path: string): string {
  const stats = statOf(path)
  return typeof stats === 'object' ? `${stats.dev}:${stats.ino}:${stats.mode}:${stats.uid}` : String(stats)
}

function statOf(path: string): Stats | string | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown'
  }
}

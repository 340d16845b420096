import { readFileSync } from 'node:fs'

/** The unix user that everything of a sandbox runs as. */
export interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
  /** Whether it is another user than ours, so that children must change to it and own the sandbox's files. */
  readonly drop: boolean
}

/** drush, Skynet and mariadbd refuse root: as root a sandbox belongs to `nobody`, else to whoever runs the tests. */
export function sandboxAccount(): Account {
  const uid = process.getuid?.() ?? 0
  if (uid !== 0) {
    return { name: process.env['USER'] ?? String(uid), uid, gid: process.getgid?.() ?? uid, drop: false }
  }
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith('nobody:'))
  const [, , nobodyUid, nobodyGid] = (line ?? '').split(':')
  if (!nobodyUid || !nobodyGid) {
    throw new Error(
      'The sandbox runs as root and finds no user `nobody` in /etc/passwd to change to: run it as another user.',
    )
  }
  return { name: 'nobody', uid: Number(nobodyUid), gid: Number(nobodyGid), drop: true }
}

/** What `child_process.spawn` needs to become that user; nothing when we are it already. */
export function asAccount(account: Account): { uid?: number; gid?: number } {
  return account.drop ? { uid: account.uid, gid: account.gid } : {}
}

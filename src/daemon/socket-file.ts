import { chmodSync, lstatSync, renameSync, rmSync } from 'node:fs'
import { connect, type Server } from 'node:net'

/** Where a server listens: a path, and the inode that it has there. */
export interface SocketFile {
  path: string
  inode: number
}

/**
 * Lets a server listen at a path, replacing what is there in one step. It is bound beside the path and renamed: so it
 * is never there with another mode, and closing it later does not remove the socket of whoever replaced ours (libuv
 * unlinks the name that it bound).
 *
 * @throws the error of listening.
 */
export async function listenAt(
  server: Server,
  path: string,
  mode: number,
  prepare: (file: string) => void = () => undefined,
): Promise<SocketFile> {
  const beside = `${path}.${process.pid}`
  rmSync(beside, { force: true })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(beside, () => {
      server.off('error', reject)
      // From now on an error is one of accepting (too many open files); the next connection is tried again.
      server.on('error', () => undefined)
      resolve()
    })
  })
  chmodSync(beside, mode)
  prepare(beside)
  renameSync(beside, path)
  return { path, inode: lstatSync(path).ino }
}

/** Whether somebody listens at the path. */
export function someoneListens(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** Removes the socket file unless another one stands there by now. */
export function removeSocketFile(file: SocketFile): void {
  try {
    if (lstatSync(file.path).ino === file.inode) rmSync(file.path, { force: true })
  } catch {
    // Gone already.
  }
}

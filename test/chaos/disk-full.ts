import { execFileSync } from 'node:child_process'
import { chmodSync, closeSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { readStatus } from '../sandbox/leader.js'
import type { Random } from './random.js'
import type { Finding, Scenario } from './scenario.js'
import type { World } from './world.js'

/** Before which write the disk fails. */
const WRITES = ['the record', 'the files of its shell', 'the end', 'the settlement', 'any'] as const

const EXPECTED = ['state directory cannot be written; nothing is started']

/** Works everywhere: neither Skynet nor drush is root, so that folders closed to writing stop both. */
export const diskReadOnly: Scenario = {
  name: 'disk-read-only',
  fault: 'the state directory closed to writing, at each write; the reason is shown, work resumes',
  times: { short: 5, long: 30 },
  run: (world, { times, random }) =>
    withDisk(world, times, random, {
      fail: () => closeToWriting(world.records.stateDirectory, true),
      mend: () => closeToWriting(world.records.stateDirectory, false),
    }),
}

export const diskFull: Scenario = {
  name: 'disk-full',
  fault: 'the disk of the state directory full (a small tmpfs), at each write; the reason is shown, work resumes',
  times: { short: 5, long: 40 },
  async run(world, { times, random }) {
    const { uid, gid } = world.sandbox.folder.account
    const directory = world.sandbox.folder.makeFolder('home/tmpfs', 0o700)
    const size = `size=4m,nr_inodes=4k,mode=0700,uid=${uid},gid=${gid}`
    asRoot('mount', '-t', 'tmpfs', '-o', size, 'tmpfs', directory)
    try {
      const filler = join(directory, 'filler')
      return await withDisk(
        world,
        times,
        random,
        { fail: () => fill(filler), mend: () => rmSync(filler, { force: true }) },
        directory,
      )
    } finally {
      await world.endDaemons({ but: EXPECTED })
      asRoot('umount', '--lazy', directory)
    }
  },
}

/** Only root may mount; who else runs this needs sudo without a password, as for the packages. */
function asRoot(command: string, ...args: string[]): void {
  if (process.getuid?.() === 0) execFileSync(command, args)
  else execFileSync('sudo', ['-n', command, ...args])
}

interface Disk {
  fail: () => void
  mend: () => void
}

async function withDisk(world: World, times: number, random: Random, disk: Disk, directory?: string): Promise<Finding> {
  const nids: number[] = []
  world.configure({ state: { min_free: '0', ...(directory === undefined ? {} : { dir: directory }) } })
  world.useStateDirectory(directory)
  try {
    await world.lead()
    let shown = 0
    for (let number = 0; number < times; number += 1) {
      const write = WRITES[number % WRITES.length] ?? 'any'
      nids.push(...(await world.queue(random, 3, { ms: [0, 400] })))
      await comes(world, random, write)
      disk.fail()
      nids.push(...(await world.queue(random, 1)))
      await delay(random.between(200, 900))
      const { hindrances } = await readStatus(world.sandbox)
      if (hindrances.some(({ message }) => EXPECTED.some((expected) => message.startsWith(expected)))) shown += 1
      const unrecorded = withoutRecord(world)
      if (unrecorded.length > 0) throw new Error(`Started without a record: ${unrecorded.join(', ')}`)
      disk.mend()
      await world.finished(nids)
    }
    if (shown === 0) throw new Error('skynet status never said that the state directory cannot be written.')
    const did = `before ${WRITES.join(', ')} in turn; each for 0.2 to 0.9 s`
    const finding = await world.finding(did, times, nids)
    await world.endDaemons({ but: EXPECTED })
    return finding
  } finally {
    disk.mend()
    world.useStateDirectory(undefined)
  }
}

async function comes(world: World, random: Random, write: (typeof WRITES)[number]): Promise<void> {
  switch (write) {
    case 'the record':
      return
    case 'the files of its shell':
      await world.nextRun(5_000)
      return
    case 'the end':
      await world.next('start', 5_000)
      return
    case 'the settlement':
      await world.next('end', 5_000)
      return
    case 'any':
      await delay(random.between(0, 600))
  }
}

/** Tasks that drush has begun although no record of theirs is on disk. */
function withoutRecord(world: World): number[] {
  const started = world.sandbox.journalFile.of('start').slice(world.startsBefore)
  // In this order: a run that is settled meanwhile moves from the one to the other.
  const records = [...world.records.in('runs'), ...world.records.in('history')]
  return started.map(({ nid }) => nid ?? 0).filter((nid) => !records.some((record) => record.nid === nid))
}

function closeToWriting(folder: string, isClosed: boolean): void {
  // From the top when opening, so that what is below can be reached.
  chmodSync(folder, isClosed ? 0o500 : 0o700)
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) {
      try {
        closeToWriting(join(folder, entry.name), isClosed)
      } catch {
        // A run that was moved to the history meanwhile.
      }
    }
  }
}

function fill(file: string): void {
  const descriptor = openSync(file, 'w')
  try {
    for (const size of [65_536, 4_096, 1]) {
      try {
        for (;;) writeSync(descriptor, Buffer.alloc(size))
      } catch {
        // Full, for pieces of this size.
      }
    }
  } finally {
    closeSync(descriptor)
  }
}

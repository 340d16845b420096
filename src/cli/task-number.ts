import { SkynetError } from '../config/skynet-error.js'
import { printable } from '../observe/printable.js'

/** The nid of a task on the command line. @throws SkynetError USAGE */
export function taskNumber(text: string): number {
  const nid = /^\d{1,10}$/.test(text) ? Number(text) : 0
  if (nid > 0 && nid <= 4_294_967_295) return nid
  throw new SkynetError('USAGE', `A task is named by its nid, a number, not by “${printable(text).slice(0, 80)}”.`, {
    remedy: 'The nid stands in …/node/NID; skynet tasks and skynet status show it.',
  })
}

export function noSuchTask(nid: number): SkynetError {
  return new SkynetError('FAILED', `There is no task ${nid}.`, {
    remedy: 'A task is named by the nid of its node, as in …/node/NID or in skynet tasks.',
  })
}

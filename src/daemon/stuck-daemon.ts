import { SkynetError } from '../config/skynet-error.js'

/** The daemon's loop hangs: who started it should start another one. Something may still be under way in this process. */
export class StuckDaemon extends SkynetError {
  constructor() {
    super('FAILED', 'No poll has completed for a minute although the database answers: this daemon hangs.', {
      remedy: 'A supervisor starts a fresh one; the running tasks go on. Report what the log says before this.',
    })
  }
}

import { SkynetError } from '../config/skynet-error.js'

/** What a verb that does something has to say: to a program, to a person, and as its exit status. */
export interface VerbResult {
  answer: Record<string, unknown>
  words: string
  status?: number
}

/**
 * Prints the result of a verb. With `--json` a refusal is an answer too, on standard output, so that a program has one
 * thing to read. @returns the exit status. @throws SkynetError a refusal, without `--json`
 */
export async function sayResult(json: boolean | undefined, work: () => Promise<VerbResult>): Promise<number> {
  try {
    const { answer, words, status = 0 } = await work()
    if (json) process.stdout.write(`${JSON.stringify({ ok: status === 0, ...answer })}\n`)
    else if (words !== '') process.stdout.write(`${words}\n`)
    return status
  } catch (error) {
    if (!json || !(error instanceof SkynetError)) throw error
    const { code, message, remedy = null, exitStatus } = error
    process.stdout.write(`${JSON.stringify({ ok: false, code, message, remedy })}\n`)
    return exitStatus
  }
}

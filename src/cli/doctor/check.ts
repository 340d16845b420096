/** What a check has found. `todo` says how to mend it; a check that could not look says why in `what`. */
export type Finding =
  { status: 'pass' | 'skip'; what: string } | { status: 'warn' | 'fail'; what: string; todo: string }

/** One thing that an administrator would look at. */
export interface Check {
  name: string
  /** Checks before this one without whose good end it says nothing of its own. */
  needs?: string[]
  run: () => Finding | Promise<Finding>
}

/** Checks that belong together, under one heading. */
export interface CheckGroup {
  title: string
  checks: Check[]
}

/** A finding with the check that it came from. */
export type CheckResult = Finding & { group: string; name: string }

export const pass = (what: string): Finding => ({ status: 'pass', what })
export const skip = (what: string): Finding => ({ status: 'skip', what })
export const warn = (what: string, todo: string): Finding => ({ status: 'warn', what, todo })
export const fail = (what: string, todo: string): Finding => ({ status: 'fail', what, todo })

/** No check needs longer; drush bootstraps Drupal in seconds, on an overloaded machine in a minute. */
const LIMIT = 120_000

/** Runs the checks in their order; one whose needs have not passed is skipped and names the first of them. */
export async function runChecks(groups: CheckGroup[]): Promise<CheckResult[]> {
  const results: CheckResult[] = []
  for (const { title, checks } of groups) {
    for (const check of checks) {
      const missing = check.needs?.find((need) => {
        const status = results.find(({ name }) => name === need)?.status
        return status === 'fail' || status === 'skip'
      })
      const finding = missing === undefined ? await bounded(check) : skip(`not looked at, because of: ${missing}`)
      results.push({ group: title, name: check.name, ...finding })
    }
  }
  return results
}

async function bounded({ run }: Check): Promise<Finding> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<Finding>((resolve) => {
    timer = setTimeout(() => {
      resolve(fail(`no answer within ${LIMIT / 1000} s`, 'See what keeps the machine busy, then ask again.'))
    }, LIMIT)
  })
  try {
    return await Promise.race([run(), late])
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return fail(`could not be looked at: ${message}`, 'Mend that, then ask again.')
  } finally {
    clearTimeout(timer)
  }
}

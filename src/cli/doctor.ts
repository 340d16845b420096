import { runChecks, type CheckResult } from './doctor/check.js'
import { configurationChecks } from './doctor/configuration-checks.js'
import { databaseChecks } from './doctor/database-checks.js'
import { drushChecks } from './doctor/drush-checks.js'
import { Examination, type DoctorOptions } from './doctor/examination.js'
import { daemonChecks, keepingChecks } from './doctor/keeping-checks.js'
import { thisMachine } from './doctor/machine.js'
import { moduleChecks } from './doctor/module-checks.js'
import { describeResults, verdictOf, type Verdict } from './doctor/report.js'
import { runnerChecks } from './doctor/runner-checks.js'
import { taskChecks } from './doctor/task-checks.js'
import type { VerbContext } from './program.js'
import { newScreen, screenOf } from './screen.js'

/** As a monitoring plug-in has them. */
const EXIT_STATUS: Record<Verdict, number> = { pass: 0, warn: 1, fail: 2 }

/** What people read comfortably; a narrower terminal gets what fits. */
const WIDEST = 100

/**
 * `skynet doctor`: all that an administrator would look at, each with what to do. Changes nothing.
 * @returns 0; 1 with warnings; 2 with failures.
 */
export async function doctor(
  options: DoctorOptions,
  { environment, version }: VerbContext,
  machine = thisMachine(),
): Promise<number> {
  const exam = new Examination(options, environment, version, machine)
  let results: CheckResult[]
  try {
    results = await runChecks([
      configurationChecks(exam),
      daemonChecks(exam),
      databaseChecks(exam),
      drushChecks(exam),
      moduleChecks(exam),
      runnerChecks(exam),
      taskChecks(exam),
      keepingChecks(exam),
    ])
  } finally {
    await exam.close()
  }
  const verdict = verdictOf(results)
  if (options.json) process.stdout.write(`${JSON.stringify({ version, verdict, checks: results }, null, 2)}\n`)
  else {
    const { width, colour } = screenOf(process.stdout, environment)
    process.stdout.write(`${describeResults(results, newScreen(Math.min(width, WIDEST), colour))}\n`)
  }
  return EXIT_STATUS[verdict]
}

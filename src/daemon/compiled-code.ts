import { setFlagsFromString } from 'node:v8'

/**
 * Has V8 keep less of what it compiles: nothing is compiled a second time while it runs (on-stack replacement), and what the
 * quick compiler has made of a function goes with its bytecode when it has not been run for a while. A plan for ten thousand
 * tasks takes as long as without (test/bench/findings.md).
 *
 * To be called when all code is loaded: V8 takes none of the compiled forms that Node comes with once its flags are changed.
 */
export function keepLittleCode(): void {
  setFlagsFromString('--no-use-osr')
  setFlagsFromString('--flush-baseline-code')
}

/**
 * What Node is started with where Skynet is a daemon. One helper thread in place of four: each keeps what it once needed to
 * compile, half a megabyte, and a queue daemon has nothing to compile or to collect in a hurry. `main.ts` names the same.
 */
export const NODE_OPTIONS: readonly string[] = ['--v8-pool-size=1']

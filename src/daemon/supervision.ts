/** Who starts the daemon again when it leaves, and the command that keeps it stopped. */
export interface KeptUpBy {
  name: 'Supervisor' | 'systemd'
  stop_command: string
}

/** Both tell their programs by the environment. @returns undefined: nobody does, as far as we are told. */
export function keptUpBy(environment: NodeJS.ProcessEnv): KeptUpBy | undefined {
  if (environment['SUPERVISOR_ENABLED'] !== undefined) {
    const program = environment['SUPERVISOR_PROCESS_NAME'] ?? 'skynet-queue'
    const group = environment['SUPERVISOR_GROUP_NAME'] ?? program
    return {
      name: 'Supervisor',
      stop_command: `supervisorctl stop ${group === program ? program : `${group}:${program}`}`,
    }
  }
  // A shell has INVOCATION_ID too, from the session that it is part of; a service's own process has its name.
  const isOwnUnit =
    environment['INVOCATION_ID'] !== undefined && environment['SYSTEMD_EXEC_PID'] === String(process.pid)
  return isOwnUnit ? { name: 'systemd', stop_command: 'systemctl stop skynet-queue' } : undefined
}

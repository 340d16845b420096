import type { Status } from './status.js'

/**
 * Whether somebody has to look, and at what. Healthy is a daemon that leads, or stands by, or has had the queue taken
 * from it by Aegir's administrators, with its database, and nothing that needs a person. A pause is a person's wish.
 */
export function healthOf(status: Omit<Status, 'health'>): Status['health'] {
  const { role, database, hindrances, stuck, parked, schedule } = status
  const isUp = role === 'leader' || role === 'standby' || role === 'disabled'
  const concerns = [
    ...(isUp ? [] : [`the daemon is ${role}`]),
    ...(database.state === 'connected' ? [] : [database.state === 'lost' ? 'the database is lost' : 'no database yet']),
    ...counted(hindrances.length, 'hindrance', 'hindrances'),
    ...counted(stuck.length, 'stuck task', 'stuck tasks'),
    ...counted(parked.length, 'parked task', 'parked tasks'),
    ...counted(
      schedule.commands.filter(({ last }) => last?.outcome === 'error').length,
      'failed command of the schedule',
      'failed commands of the schedule',
    ),
  ]
  return { state: concerns.length === 0 ? 'healthy' : 'degraded', concerns }
}

function counted(count: number, one: string, more: string): string[] {
  return count === 0 ? [] : [`${count} ${count === 1 ? one : more}`]
}

import { Option } from 'commander'

/** The option that every verb has which reads skynet.conf. */
export function configFileOption(): Option {
  return new Option('-c, --config_file <file>', 'skynet.conf (default: ~/config/skynet/skynet.conf)')
}

/** What stands below the help of a verb. */
export function example(command: string, what: string): string {
  return `\nExample:\n  ${command}   # ${what}`
}

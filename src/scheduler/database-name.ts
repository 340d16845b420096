/**
 * The name that provision tries first for the database of a site: its uri without a leading `www.`, dots and dashes,
 * cut to 16 bytes. In lower case, because some database servers do not tell the cases apart.
 */
export function databaseName(uri: string): string {
  const name = uri.replace(/^www\./, '').replace(/[.-]/g, '')
  // eslint-disable-next-line no-control-regex -- plain ASCII, where a character is a byte
  const bytes = /^[\x00-\x7f]*$/.test(name) ? name : Buffer.from(name, 'utf8').toString('latin1')
  return bytes.slice(0, 16).toLowerCase()
}

/**
 * What provision's further names begin with while the first is in use: it then counts `<14 characters>_0`, `_1`, …,
 * so that two sites whose names differ in the last characters alone can meet on the same one.
 */
export function spareDatabaseName(name: string): string {
  return `${name.slice(0, 14)}_`
}

import assert from 'node:assert/strict'

type Labels = Record<string, string>

interface Sample {
  name: string
  labels: Labels
  value: number
}

interface Family {
  type: string
  samples: Sample[]
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/y

/**
 * A page of Prometheus' text format, read as strictly as its specification is written: anything that is not of that
 * form fails. (The parser that npm has for it loses the counts of a histogram with labels.)
 */
export class PrometheusText {
  readonly #families = new Map<string, Family>()

  constructor(text: string) {
    assert.ok(text.endsWith('\n'), 'the last line ends with a line feed')
    let help: string | undefined
    let family: [name: string, Family] | undefined
    for (const line of text.split('\n')) {
      const [, word, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? []
      if (line === '') continue
      if (word === 'HELP') {
        assert.match(name, NAME)
        assert.notEqual(rest, '', `${name} has a help`)
        help = name
      } else if (word === 'TYPE') {
        assert.equal(help, name, 'the type follows the help')
        assert.match(rest, /^(counter|gauge|histogram)$/)
        assert.ok(!this.#families.has(name), `${name} stands in one place`)
        family = [name, { type: rest, samples: [] }]
        this.#families.set(...family)
      } else {
        const sample = readSample(line)
        assert.ok(family && belongs(sample.name, family), `${line} stands below its type`)
        family[1].samples.push(sample)
      }
    }
    for (const [name, { type, samples }] of this.#families) if (type === 'histogram') checkHistogram(name, samples)
  }

  get names(): string[] {
    return [...this.#families.keys()]
  }

  /** Every label but `le` that occurs, as `name=value`. */
  get labels(): string[] {
    const all = [...this.#families.values()].flatMap(({ samples }) =>
      samples.flatMap(({ labels }) => Object.entries(labels)),
    )
    return [...new Set(all.filter(([name]) => name !== 'le').map(([name, value]) => `${name}=${value}`))]
  }

  /** The value of one sample; undefined when there is none with exactly these labels. */
  value(name: string, labels: Labels = {}): number | undefined {
    return this.#samples(name).find((sample) => sample.name === name && key(sample.labels) === key(labels))?.value
  }

  /** Count and sum of a histogram; undefined when there is none with exactly these labels. */
  histogram(name: string, labels: Labels = {}): { count: number; sum: number } | undefined {
    const of = (part: string) =>
      this.#samples(name).find((sample) => sample.name === part && key(sample.labels) === key(labels))?.value
    const [count, sum] = [of(`${name}_count`), of(`${name}_sum`)]
    return count === undefined || sum === undefined ? undefined : { count, sum }
  }

  /** The values of all samples of a metric, added up. */
  total(name: string): number {
    return this.#samples(name).reduce((sum, { value }) => sum + value, 0)
  }

  #samples(family: string): Sample[] {
    return this.#families.get(family)?.samples ?? []
  }
}

function readSample(line: string): Sample {
  const [, name = '', text = '', value = ''] = SAMPLE.exec(line) ?? assert.fail(`no sample: ${line}`)
  const labels: Labels = {}
  LABEL.lastIndex = 0
  while (LABEL.lastIndex < text.length) {
    const [, label = '', quoted = ''] = LABEL.exec(text) ?? assert.fail(`no labels: ${line}`)
    assert.ok(!(label in labels), `${label} occurs once: ${line}`)
    labels[label] = quoted.replace(/\\(.)/g, (_match, escaped: string) => (escaped === 'n' ? '\n' : escaped))
  }
  assert.match(value, /^([+-]?Inf|NaN|[+-]?\d+(\.\d+)?(e[+-]?\d+)?)$/i)
  return { name, labels, value: value === '+Inf' ? Infinity : Number(value) }
}

function belongs(sample: string, [name, { type }]: [string, Family]): boolean {
  return type === 'histogram' ? ['_bucket', '_sum', '_count'].some((part) => sample === name + part) : sample === name
}

/** Buckets never fall, and the last one holds all. */
function checkHistogram(name: string, samples: Sample[]): void {
  for (const { labels, value } of samples.filter((sample) => sample.name === `${name}_count`)) {
    const buckets = samples.filter(
      ({ name: part, labels: { le, ...others } }) =>
        le !== undefined && part === `${name}_bucket` && key(others) === key(labels),
    )
    const limits = buckets.map(({ labels: { le = '' } }) => (le === '+Inf' ? Infinity : Number(le)))
    assert.deepEqual(
      limits,
      limits.toSorted((a, b) => a - b),
    )
    assert.equal(limits.at(-1), Infinity)
    const counts = buckets.map((bucket) => bucket.value)
    assert.deepEqual(
      counts,
      counts.toSorted((a, b) => a - b),
    )
    assert.equal(counts.at(-1), value)
  }
}

const key = (labels: Labels): string => JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)))

/** How often each value was counted, so that medians of a long history need no long list. */
export class Distribution {
  readonly #counts = new Map<number, number>()
  #count = 0

  add(value: number, count = 1): void {
    this.#counts.set(value, (this.#counts.get(value) ?? 0) + count)
    this.#count += count
  }

  /** How many values were counted. */
  get count(): number {
    return this.#count
  }

  /** The value that this share of all (0 to 1) does not exceed (nearest rank); undefined where none was counted. */
  quantile(share: number): number | undefined {
    const rank = Math.max(1, Math.ceil(this.#count * share))
    let passed = 0
    for (const [value, count] of [...this.#counts].sort(([a], [b]) => a - b)) {
      passed += count
      if (passed >= rank) return value
    }
    return undefined
  }
}

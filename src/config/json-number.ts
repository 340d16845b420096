import * as v from 'valibot'

/** A number as JSON can hold it; what is too large for one is read as infinite there. */
export const number = v.pipe(v.number(), v.finite())

/** A whole number that is exact. */
export const wholeNumber = v.pipe(v.number(), v.safeInteger())

export const positiveInteger = v.pipe(wholeNumber, v.minValue(1))

export const integerWithin = (least: number, most: number) => v.pipe(wholeNumber, v.minValue(least), v.maxValue(most))

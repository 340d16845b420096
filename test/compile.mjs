/*
 * Turns src/ and test/ into JavaScript in a folder, once for all test files: each of them would bring a compiler of
 * its own else, which takes half a second of processor.
 *
 *     node test/compile.mjs FOLDER
 */
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const [folder] = process.argv.slice(2)
if (folder === undefined) throw new Error('name the folder that the JavaScript goes to')
const sources = ['src', 'test'].flatMap((room) =>
  readdirSync(room, { recursive: true })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(room, name)),
)

/** A file still stands where it was written, as far as it can tell: what it looks for lies beside it, or above. */
const whereItWasWritten = {
  name: 'where it was written',
  setup: ({ onLoad }) =>
    onLoad({ filter: /\.ts$/ }, ({ path }) => ({
      loader: 'ts',
      contents: readFileSync(path, 'utf8').replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href)),
    })),
}

mkdirSync(folder, { recursive: true })
writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }))
await build({
  entryPoints: sources,
  outdir: folder,
  outbase: resolve('.'),
  format: 'esm',
  platform: 'node',
  target: 'node20',
  sourcemap: true,
  logLevel: 'warning',
  plugins: [whereItWasWritten],
})

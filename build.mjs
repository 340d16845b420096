// Makes dist/ out of src/: what the package ships, in few files. A verb starts twice as fast from them as from the two
// hundred that it is made of, and the daemon is a fifth smaller (test/bench/RESULTS.md has the figures). Libraries are
// built in, in the versions of package-lock.json, so nothing under node_modules is needed at run time.
//
// Each verb stays a file of its own, loaded when it runs. The other entry points are what the package exports, and what
// the sandbox starts in a way of its own.
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { build } from 'esbuild'

const ENTRY_POINTS = ['main', 'config/schema', 'scheduler/plan']
const ENTRY_POINTS_OF_THE_SANDBOX = [
  'cli/queued',
  'cli/doctor',
  'cli/doctor/machine',
  'daemon/daemon',
  'runner/process-table',
]

rmSync('dist', { recursive: true, force: true })
execFileSync('node_modules/.bin/tsc', ['-p', 'tsconfig.json', '--emitDeclarationOnly'], { stdio: 'inherit' })
const { metafile, outputFiles } = await build({
  entryPoints: [...ENTRY_POINTS, ...ENTRY_POINTS_OF_THE_SANDBOX].map((name) => `src/${name}.ts`),
  outbase: 'src',
  outdir: 'dist',
  chunkNames: 'parts/[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  metafile: true,
  logLevel: 'warning',
  write: false,
})
for (const { path, text } of outputFiles) {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text.includes('typeof require') ? withRequire(text) : text)
}
chmodSync('dist/main.js', 0o755)
writeFileSync('dist/LICENSES.txt', licencesOf(Object.keys(metafile.inputs)))

/** Libraries of the older kind call `require` for what Node itself brings; modules have none. */
function withRequire(text) {
  return `import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);\n${text}`
}

/** The licences of all that was built in, which they ask to be kept with every copy. */
function licencesOf(files) {
  const packages = new Set(files.flatMap((file) => /^node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file) ?? []))
  const texts = [...packages].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8'))
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry))
    return `${name} ${version} (${license})\n\n${file ? readFileSync(`${folder}/${file}`, 'utf8').trim() : ''}\n`
  })
  return `Built into Skynet:\n\n${texts.join(`\n${'-'.repeat(80)}\n\n`)}`
}

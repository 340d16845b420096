// Imports go one way: cli → daemon → {scheduler, hostmaster, runner, observe} → config.
// `scheduler` does no I/O, and SQL stays in hostmaster/, so that every decision can be tested as a table.
const rooms = (...names) => `^src/(${names.join('|')})/`

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-circular',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    { name: 'no-dev-dependencies', severity: 'error', from: { path: '^src/' }, to: { dependencyTypes: ['npm-dev'] } },
    {
      name: 'config-imports-no-other-room',
      severity: 'error',
      from: { path: rooms('config') },
      to: { path: '^src/(?!config/)' },
    },
    {
      name: 'middle-rooms-import-only-config',
      comment: 'scheduler, hostmaster, runner and observe know nothing of each other; daemon/ joins them.',
      severity: 'error',
      from: { path: '^src/(hostmaster|runner|observe)/' },
      to: { path: '^src/', pathNot: ['^src/$1/', '^src/config/'] },
    },
    {
      name: 'daemon-does-not-import-cli',
      severity: 'error',
      from: { path: rooms('daemon') },
      to: { path: ['^src/cli/', '^src/main.ts'] },
    },
    {
      name: 'scheduler-is-pure',
      severity: 'error',
      from: { path: rooms('scheduler') },
      to: { path: ['^src/(?!scheduler/)', 'node_modules'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'scheduler-takes-types-from-hostmaster-alone',
      severity: 'error',
      from: { path: rooms('scheduler') },
      to: { path: '^src/(?!scheduler/|hostmaster/|config/)' },
    },
    {
      name: 'scheduler-does-no-io',
      severity: 'error',
      from: { path: rooms('scheduler') },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'driver-only-in-hostmaster',
      severity: 'error',
      from: { path: '^src/(?!hostmaster/)' },
      to: { path: ['node_modules/mysql2', 'node_modules/php-serialize'] },
    },
    {
      name: 'main-starts-the-command-line-and-nothing-else',
      severity: 'error',
      from: { path: '^src/main.ts' },
      to: { path: '^src/(?!cli/)' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'types'] },
  },
}

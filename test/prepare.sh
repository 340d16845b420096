#!/bin/sh
# Brings what the tests stand on: packages of npm, MariaDB, PHP, shells and the like of Debian, and a fresh build.
# `prepare.sh demo`: only what the demo needs of that.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

# Runs a command without its output, which is shown if it fails.
quietly() {
  log=$(mktemp)
  if "$@" >"$log" 2>&1; then
    rm -f "$log"
  else
    status=$?
    cat "$log" >&2
    rm -f "$log"
    say "failed: $*"
    exit "$status"
  fi
}

command -v node >/dev/null && command -v npm >/dev/null || { say 'Install Node.js 20.19 or newer, with npm.'; exit 1; }
node -e 'const [major, minor] = process.versions.node.split(".").map(Number)
process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)' || {
  say "Install Node.js 20.19 or newer: this is $(node --version)."
  exit 1
}

# npm ci empties the folder that a link points to, whoever else uses it.
if [ -L node_modules ]; then
  say 'node_modules is a link: run npm ci where it points to, and remove the link or leave it alone.'
  exit 1
fi

installed=node_modules/.package-lock.json
if [ ! -e "$installed" ] || [ -n "$(find package-lock.json -newer "$installed")" ]; then
  say 'npm ci …'
  quietly npm ci --no-audit --no-fund
  touch "$installed"
fi

PATH=$PATH:/usr/local/sbin:/usr/sbin
packages=
command -v mariadbd >/dev/null || packages="$packages mariadb-server-core"
command -v php >/dev/null || packages="$packages php-cli"
command -v php >/dev/null && php -m | grep -qx mysqli || packages="$packages php-mysql"
if [ "${1:-}" != demo ]; then
  [ -e /usr/lib/galera/libgalera_smm.so ] || [ -e /usr/lib64/galera/libgalera_smm.so ] || packages="$packages galera-4"
  command -v garbd >/dev/null || packages="$packages galera-arbitrator-4"
  command -v phpunit >/dev/null || packages="$packages phpunit"
  command -v supervisord >/dev/null || packages="$packages supervisor"
  command -v tmux >/dev/null || packages="$packages tmux"
  command -v zsh >/dev/null || packages="$packages zsh"
  command -v fish >/dev/null || packages="$packages fish"
fi
if [ -n "$packages" ]; then
  if [ "$(id -u)" = 0 ]; then
    as_root='env DEBIAN_FRONTEND=noninteractive'
  else
    as_root='sudo -n env DEBIAN_FRONTEND=noninteractive'
  fi
  if ! command -v apt-get >/dev/null || ! $as_root true 2>/dev/null; then
    say "Install what is missing: apt-get install$packages"
    exit 1
  fi
  say "apt-get install$packages …"
  quietly $as_root apt-get update -q
  # shellcheck disable=SC2086 # a list
  quietly $as_root apt-get install -q -y --no-install-recommends $packages
fi

if [ ! -e dist/main.js ] || [ -n "$(find src package.json tsconfig.json -newer dist/main.js)" ]; then
  quietly npm run --silent clean
  quietly npm run --silent build
fi

#!/usr/bin/env bash
# Installs what the tests need beside Rust: Debian's Prometheus, Alertmanager (with promtool and
# amtool) and Chromium, a C compiler for SQLite, curl and the time-zone files;
# and valgrind, which benches/instructions.sh counts with.
#
# Safe to run again: it installs only what is missing. Needs root, or sudo without a password.
set -euo pipefail

say() { printf 'setup: %s\n' "$*"; }

# Debian package, and a file by which it is known to be there.
needed=(
  "build-essential /usr/bin/cc"
  "ca-certificates /etc/ssl/certs/ca-certificates.crt"
  "curl /usr/bin/curl"
  "git /usr/bin/git"
  "prometheus /usr/bin/promtool"
  "prometheus-alertmanager /usr/bin/amtool"
  "chromium /usr/bin/chromium"
  "chromium-driver /usr/bin/chromedriver"
  "tzdata /usr/share/zoneinfo/Africa/Lagos"
  "valgrind /usr/bin/valgrind"
)

missing=()
for row in "${needed[@]}"; do
  read -r package file <<<"$row"
  if [ -e "$file" ]; then
    say "$package is there ($file)"
  else
    missing+=("$package")
  fi
done

if [ "${#missing[@]}" -gt 0 ]; then
  if ! command -v apt-get >/dev/null; then
    say "this is no Debian (no apt-get); install these yourself: ${missing[*]}" >&2
    exit 1
  fi
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! sudo -n true 2>/dev/null; then
      say "root or sudo without a password is needed to install: ${missing[*]}" >&2
      exit 1
    fi
    as_root=(sudo -n)
  fi
  say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
  "${apt[@]}" update -qq
  "${apt[@]}" install -y -qq --no-install-recommends "${missing[@]}"
  for row in "${needed[@]}"; do
    read -r package file <<<"$row"
    if [ ! -e "$file" ]; then
      say "$package is installed, but $file is not there" >&2
      exit 1
    fi
  done
  say "The tests start their own Prometheus and Alertmanager; services that the packages started may be stopped."
fi

if ! command -v cargo >/dev/null; then
  say "cargo is missing: install Rust $(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml") or newer with rustup (https://rustup.rs)" >&2
  exit 1
fi
for component in fmt clippy; do
  if ! cargo "$component" --version >/dev/null 2>&1; then
    say "cargo $component is missing: run 'rustup component add rustfmt clippy'" >&2
    exit 1
  fi
done
say "everything is there"

#!/bin/sh
# Installs Tailcall from its npm package. The program needs glibc 2.39; on a
# Debian with an older one, the next Debian's is unpacked into libc/, only for
# this program. Nothing outside this folder is changed. If a part cannot be
# installed, the benchmark leaves Tailcall out, with a note.
set -eu
say() { echo "$*" >&2; }
cd "$(dirname "$0")"
program=node_modules/@tailcallhq/core-linux-x64-gnu/bin/tailcall
lib=libc/usr/lib/x86_64-linux-gnu

command -v npm >/dev/null || { say "Tailcall is not installed: there is no npm"; exit 0; }
test -x $program || npm ci --no-audit --no-fund --loglevel=error || { say "Tailcall is not installed: npm failed"; exit 0; }
$program --version >/dev/null 2>&1 && exit 0
$lib/ld-linux-x86-64.so.2 --library-path $lib $program --version >/dev/null 2>&1 && exit 0

command -v apt-get >/dev/null || { say "Tailcall needs glibc 2.39, and there is no apt-get to download it"; exit 0; }
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | head -n 1)
test -n "$mirror" || { say "Tailcall needs glibc 2.39, and apt-get has no Debian source for it"; exit 0; }
apt=$(mktemp -d)
trap 'rm -rf "$apt"' EXIT
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
: >"$apt/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >"$apt/sources.list"
from_next() {
  apt-get -qq -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$apt/lists" \
    -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" -o APT::Sandbox::User= \
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false -o Acquire::Languages=none "$@"
}
{ from_next update && (cd "$apt" && from_next download libc6:amd64 libgcc-s1:amd64); } ||
  { say "Tailcall needs glibc 2.39, and apt-get could not download it"; exit 0; }
rm -rf libc
for package in "$apt"/*.deb; do dpkg -x "$package" libc; done
$lib/ld-linux-x86-64.so.2 --library-path $lib $program --version >/dev/null || say "Tailcall does not start"

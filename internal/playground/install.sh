#!/bin/sh
# Installs the files of libraries.txt from npm into assets/, from which the next
# build embeds them. It fetches three packages without their dependencies, whose
# code the files already contain, and uses no byte that differs from the list.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
grep -v '^#' libraries.txt | while read -r sum package file; do
  target=assets/$(basename "$file")
  echo "$sum  $target" | sha256sum --check --status 2>/dev/null && continue
  tarball=$work/$(npm pack --silent --ignore-scripts --pack-destination "$work" "$package" </dev/null)
  tar -xzf "$tarball" -C "$work" "package/$file"
  echo "$sum  $work/package/$file" | sha256sum --check --status ||
    { echo "$package's $file is not what libraries.txt says" >&2; exit 1; }
  mv "$work/package/$file" "$target"
done

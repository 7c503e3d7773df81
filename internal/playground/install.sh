#!/bin/sh
# Installs what libraries.txt lists from npm into assets/, to be embedded by the
# next build. It fetches three packages without those that they depend on, of
# which the files hold what they need, and takes no byte that the list does not.
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

#!/usr/bin/env bash
# Lays Restate and its SDK, pinned by package-lock.json, into the cache. Prints the folder; prints nothing when there is no
# Node to run it with. Running it again does nothing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${ORRERY_CACHE:-$HOME/.cache/orrery}/restate

command -v npm >/dev/null && command -v node >/dev/null || { echo 'restate: there is no Node, so it is left out' >&2; exit 0; }
if ! cmp -s "$here/package-lock.json" "$target/package-lock.json" || [[ ! -d $target/node_modules ]]; then
    echo "restate: installing into $target" >&2
    rm -rf "$target.new" && mkdir -p "$target.new"
    cp "$here/package.json" "$here/package-lock.json" "$target.new/"
    (cd "$target.new" && npm ci --ignore-scripts --no-audit --no-fund --silent >&2) || {
        echo 'restate: it could not be installed, so it is left out; is the package index within reach?' >&2
        exit 0
    }
    rm -rf "$target" && mv "$target.new" "$target"
fi
cp "$here/handler.mjs" "$target/"
echo "$target"

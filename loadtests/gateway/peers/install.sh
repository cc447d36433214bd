#!/usr/bin/env bash
# Lays other gateways, each package by its pinned digest, into the cache, in a folder for each. Prints the folder of them all.
# One that cannot be installed is left out with a line that says why. Running it again does nothing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=${ORRERY_CACHE:-$HOME/.cache/orrery}/peers

mkdir -p "$target"
for peer in litellm smg; do
    lock=$here/$peer.txt
    cmp -s "$lock" "$target/$peer/installed.txt" && continue
    echo "peers: installing $peer into $target/$peer" >&2
    rm -rf "$target/$peer" "$target/$peer.new"
    if ! python3 -m pip install -q --disable-pip-version-check --no-cache-dir --no-deps --only-binary :all: --require-hashes \
        --target "$target/$peer.new" -r "$lock" >&2; then
        echo "peers: $peer could not be installed, so it is left out; is the package index within reach, and is this CPython 3.11?" >&2
        continue
    fi
    cp "$lock" "$target/$peer.new/installed.txt"
    mv "$target/$peer.new" "$target/$peer"
done
echo "$target"

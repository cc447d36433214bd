#!/usr/bin/env bash
# Lays the official Python clients that tests run against the gateway and the bus into the cache, each package by its pinned digest.
# Running it again does nothing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${ORRERY_CACHE:-$HOME/.cache/orrery}
target=$cache/python-clients
lock=$here/python-clients.txt

cmp -s "$lock" "$target/installed.txt" && exit 0
echo "python-clients: installing the official Python clients into $target"
rm -rf "$target.new"
python3 -m pip install -q --disable-pip-version-check --no-cache-dir --no-deps --only-binary :all: --require-hashes \
    --target "$target.new" -r "$lock" || {
    echo "python-clients: the packages could not be installed; is the package index within reach?" >&2
    exit 1
}
cp "$lock" "$target.new/installed.txt"
rm -rf "$target"
mv "$target.new" "$target"

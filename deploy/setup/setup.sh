#!/usr/bin/env bash
# Brings a Debian 12 machine to where the workspace builds and `orrery up` runs: system packages, then everything in
# packages.lock, checked against its pinned digest and laid into one cache that outlives a checkout.
#
#   ORRERY_CACHE   where downloads, models and build output live (default: ~/.cache/orrery)
#   ORRERY_CUDA=1  also lay libtorch's CUDA libraries, about 2 GB more
#
# It may be stopped at any time and run again: a file is in place whole or not at all, and only what is missing or
# damaged is fetched. When nothing is missing it returns within a second.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
checkout=$(cd "$here/../.." && pwd)
lock=$here/packages.lock
sets=base
[[ ${ORRERY_CUDA:-0} == 1 ]] && sets="base cuda"
cache=${ORRERY_CACHE:-$HOME/.cache/orrery}
mkdir -p "$cache" || { echo "setup: cannot create $cache; set ORRERY_CACHE to a folder you may write" >&2; exit 1; }
cache=$(cd "$cache" && pwd)
state=$cache/.setup
work=$state/work
log=$state/last-download.log

say() { echo "setup: $*"; }
die() { echo "setup: $*" >&2; exit 1; }
digest() { sha256sum "$1" | cut -d' ' -f1; }

# ---------------------------------------------------------------------------------------------- the lock file

# Packages are numbered in order; package[i] is its record, contents[i] its `file` and `tree` lines.
package=() contents=()
read_lock() {
    local set=base line
    while read -r line; do
        case $line in
            '' | '#'*) ;;
            'set '*) set=${line#set } ;;
            *) [[ " $sets " == *" $set "* ]] || continue
               case $line in
                   'wheel '* | 'deb '*) package+=("$line") contents+=('') ;;
                   'file '* | 'tree '*) contents[-1]+=$line$'\n' ;;
                   *) die "packages.lock: unknown record: $line" ;;
               esac ;;
        esac
    done <"$lock"
}

# What is on disk, cheaply: size and time of every file that the lock names. Equal to the stamp means complete.
observed_state() {
    local targets
    targets=$(printf '%s' "${contents[@]}" | awk '$1 == "file" { print $5 }')
    { cat "$lock" "$here/setup.sh"; echo "$sets"; } | sha256sum
    (cd "$cache" && stat -L -c '%n %s %Y' $targets libtorch/torch/include 2>&1) || true
    (cd "$checkout/deploy" && find models -name model.toml | sort | while read -r entry; do
        cmp -s "$entry" "$cache/$entry" && echo "$entry" || echo "$entry differs"
    done)
}

# ---------------------------------------------------------------------------------------------- system packages

missing_tools() {
    local tool
    for tool in redis-server unzip cmake g++ pkg-config python3; do
        command -v "$tool" >/dev/null || echo "$tool"
    done
    command -v bwrap >/dev/null || echo bubblewrap
    [[ -e /usr/share/zoneinfo/UTC ]] || echo tzdata
    [[ -e /usr/include/postgresql/libpq-fe.h ]] || echo libpq-dev
    compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || echo postgresql-15
}

as_root() {
    if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi
}

install_system_packages() {
    local missing
    missing=$({ missing_tools; python3 -m pip --version >/dev/null 2>&1 || echo python3-pip; } | xargs)
    [[ -z $missing ]] && return
    command -v apt-get >/dev/null || die "please install with your system's package manager: $missing"
    [[ $(id -u) == 0 ]] || command -v sudo >/dev/null || die "as root, run: apt-get install $missing"
    say "installing $missing"
    as_root apt-get -qq update || die "apt-get update failed; is the Debian mirror within reach?"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing >"$log" 2>&1 \
        || die "apt-get could not install $missing: $(tail -n 3 "$log")"
}

# ---------------------------------------------------------------------------------------------- downloads

# Leaves exactly one file in $work/incoming. The tags in a wheel's name say which of a version's files is meant,
# so that the digest is the same under any local Python.
download_wheel() {
    local name=$1 version=$2 file=$3 python abi platforms tag options=()
    IFS=- read -r _ _ python abi platforms <<<"${file%.whl}"
    for tag in ${platforms//./ }; do options+=(--platform "$tag"); done
    [[ $python == cp* ]] && options+=(--implementation cp --python-version "${python#cp}")
    python3 -m pip download -q --no-deps --no-cache-dir --disable-pip-version-check --retries 3 \
        --only-binary :all: --abi "$abi" "${options[@]}" -d "$work/incoming" "$name==$version" >"$log" 2>&1
}

download_deb() {
    local name=$1 version=$2
    fetch() { (cd "$work/incoming" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download "$name=$version" >"$log" 2>&1); }
    fetch || { as_root apt-get -qq update >>"$log" 2>&1 && fetch; }
}

# pip says "no matching distribution" even when it never reached an index; its warnings tell.
download_fault() {
    if grep -qiE 'connection|failed to (resolve|establish)|name resolution' "$log"; then
        echo "its package index is out of reach"
    else
        tail -n 1 "$log"
    fi
}

# Sets `archive` to the verified file of one package record, downloading it unless it lies there already.
archive=
obtain() {
    local kind=$1 name=$2 version=$3 expected=$4 file=${5:-$2_$3.deb} found
    archive=$cache/pip/$file
    if [[ -e $archive ]]; then
        found=$(digest "$archive")
        [[ $found == "$expected" ]] && return
        say "$archive is damaged (expected $expected, found $found); fetching it again"
        rm -f "$archive"
    fi
    say "fetching $name $version"
    rm -rf "$work/incoming" && mkdir -p "$work/incoming" "$cache/pip"
    "download_$kind" "$name" "$version" "$file" || die "could not download $name $version: $(download_fault)
  remedy: check that this machine reaches its package index ('pip config list' shows a mirror, if one is set), then
  run 'make setup' again; what is complete is kept. The whole log: $log"
    local incoming=("$work"/incoming/*)
    found=$(digest "${incoming[0]}")
    [[ $found == "$expected" ]] || die "wrong digest, refusing to use it
  file      ${incoming[0]##*/}
  expected  $expected (deploy/setup/packages.lock)
  found     $found
  remedy: run 'make setup' again. If it comes again, the package index or mirror serves something other than what this
  project pinned: do not use it, and compare with another index"
    mv "${incoming[0]}" "$archive"
}

# ---------------------------------------------------------------------------------------------- laying files

member() {
    case $archive in
        *.deb) dpkg-deb --fsys-tarfile "$archive" | tar -xO "./$1" ;;
        *) unzip -p "$archive" "$1" ;;
    esac
}

lay_file() {
    local expected=$1 mode=$2 source=$3 target=$cache/$4 found
    member "$source" >"$work/part" || die "cannot read $source from $archive; delete that file and run 'make setup' again"
    found=$(digest "$work/part")
    [[ $found == "$expected" ]] || die "wrong digest for $source in ${archive##*/}
  expected  $expected (deploy/setup/packages.lock)
  found     $found
  remedy: correct the lock file if the version was changed on purpose; otherwise do not use this package"
    chmod "$mode" "$work/part"
    mkdir -p "${target%/*}"
    mv -f "$work/part" "$target"
}

lay_tree() {
    local pattern=$1 target=$cache/$2
    rm -rf "$work/tree" && mkdir -p "$work/tree" "$target"
    unzip -q "$archive" "$pattern" -d "$work/tree" || die "cannot unpack $pattern from $archive; delete that file and run 'make setup' again"
    cp -rl --remove-destination "$work/tree/." "$target/"
    rm -rf "$work/tree"
}

# A package is in place when each of its files has the pinned digest and, for trees, the mark of its last step is there.
in_place() {
    local record=$1 lines=$2 kind a b c d
    while read -r kind a b c d; do
        case $kind in
            file) [[ -e $cache/$d && $(digest "$cache/$d") == "$a" ]] || return 1 ;;
            tree) [[ -d $cache/$b/${a%%/\**} || $a == nvidia/* ]] && grep -qsxF "$record" "$(mark "$record" "$lines")" || return 1 ;;
        esac
    done <<<"$lines"
}

mark() { echo "$state/laid-$(sha256sum <<<"$1 $2" | cut -c1-16)"; }

lay_package() {
    local record=$1 lines=$2 kind a b c d
    obtain $record
    while read -r kind a b c d; do
        case $kind in
            file) lay_file "$a" "$b" "$c" "$d" ;;
            tree) lay_tree "$a" "$b" ;;
        esac
    done <<<"$lines"
    echo "$record" >"$(mark "$record" "$lines")"
}

lay_packages() {
    local i archives=()
    for i in "${!package[@]}"; do
        in_place "${package[i]}" "${contents[i]}" && continue
        lay_package "${package[i]}" "${contents[i]}"
        archives+=("$archive")
    done
    # Only now: two sets may share one archive.
    ((${#archives[@]} == 0)) || rm -f "${archives[@]}"
}

# The published libtorch.so pulls in the CUDA libraries even where there is no GPU; for linking, this stands in for it.
lay_libtorch_linker_script() {
    echo 'INPUT(libtorch_cpu.so)' >"$work/part"
    cmp -s "$work/part" "$cache/libtorch/torch/lib/libtorch.so" || mv -f "$work/part" "$cache/libtorch/torch/lib/libtorch.so"
}

lay_model_descriptions() {
    local entry
    while read -r entry; do
        cmp -s "$checkout/deploy/$entry" "$cache/$entry" && continue
        mkdir -p "$cache/${entry%/*}"
        cp "$checkout/deploy/$entry" "$work/part" && mv -f "$work/part" "$cache/$entry"
    done < <(cd "$checkout/deploy" && find models -name model.toml)
}

link_cache() {
    [[ $(readlink "$checkout/.cache" || true) == "$cache" ]] && return
    [[ ! -e $checkout/.cache || -L $checkout/.cache ]] || die "$checkout/.cache is not a link; move it away and run 'make setup' again"
    ln -sfn "$cache" "$checkout/.cache"
}

# Cargo tells what to build again by a source's place in its workspace and by its time, so two checkouts that share the
# build output would take each other's programs for their own. The sources of one that did not build last count as new.
claim_build_output() {
    [[ -f $state/checkout && $(<"$state/checkout") == "$checkout" ]] && return
    (cd "$checkout" && find Cargo.toml proto shared services cli loadtests -type f -exec touch {} +)
    echo "$checkout" >"$state/checkout"
}

# ---------------------------------------------------------------------------------------------- main

[[ $(uname -sm) == 'Linux x86_64' ]] || die "the pinned packages are for Linux on x86_64, this is $(uname -sm)"
mkdir -p "$state"
exec 9>"$state/lock"
flock -n 9 || { say "waiting for another set-up to finish"; flock 9; }

read_lock
link_cache
claim_build_output
if [[ -f $state/complete && $(<"$state/complete") == "$(observed_state)" && -z $(missing_tools) ]]; then exit 0; fi
rm -f "$state/complete"
install_system_packages

free_kb=$(df --output=avail -k "$cache" | tail -n 1)
((free_kb > 3 * 1024 * 1024)) || say "only $((free_kb / 1024)) MB are free in $cache; set-up and build together take about 12 GB"
[[ $sets == base ]] || command -v nvidia-smi >/dev/null || say "ORRERY_CUDA=1, but this machine shows no NVIDIA driver"

rm -rf "$work" && mkdir -p "$work"
lay_packages
lay_libtorch_linker_script
lay_model_descriptions
rm -rf "$work"
observed_state >"$state/complete"
say "complete: $cache"

#!/bin/sh
# The whole way, for real, in a throw-away copy: plan, upload, training, lockfile, answers. `make demo` runs it.
# Needs no key, no GPU and no account; fetches the small instruct model (93 MB) once.
set -eu

source=$(cd "$(dirname "$0")/.." && pwd)
copy=$(mktemp -d)
PATH="$source/.venv/bin:$PATH"

finish() {
    # The training server would end by itself when idle; a demo leaves nothing behind at once.
    if [ -f "$copy/.ftops/local/server.json" ]; then
        kill "$(sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' "$copy/.ftops/local/server.json")" 2>/dev/null || true
    fi
    rm -rf "$copy"
}
trap finish EXIT
trap 'exit 130' INT TERM

step() { printf '\n\033[1m$ %s\033[0m\n' "$*"; "$@"; }

mkdir -p "$copy/specs/data"
cp "$source/ftops.yaml" "$copy/"
cp "$source"/specs/elle-limericks*.yaml "$copy/specs/"
cp "$source"/specs/data/elle-limericks*.jsonl "$copy/specs/data/"
cd "$copy"
git init --quiet
git add .
git -c user.name=demo -c user.email=demo@example.org commit --quiet --message "Ask for Elle, and for Elle on noble gases"

step ftops plan
step ftops apply --yes --wait
step ftops lock show elle-limericks
step ftops chat elle-limericks "Tell me about oxygen" --compare
step ftops plan

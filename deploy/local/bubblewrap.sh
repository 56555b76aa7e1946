#!/bin/sh
# Installs bubblewrap where this user may; else says what to run, and goes on (generated tests are then "not run").
set -eu
command -v bwrap >/dev/null 2>&1 && command -v setpriv >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing bubblewrap, the sandbox of generated code ..." >&2
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends bubblewrap util-linux; } >/dev/null 2>&1 || true
fi
command -v bwrap >/dev/null 2>&1 && exit 0
echo "bubblewrap is missing: generated tests will be reported as not run. Install it: sudo apt-get install bubblewrap" >&2
[ -z "${CI:-}" ]

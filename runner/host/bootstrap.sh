#!/bin/sh
# Builds a training environment on this machine: sh bootstrap.sh [profile.json]. No root is needed.
# Only an interpreter is looked for here; bootstrap_build.py beside this file does the work with Python's standard library alone.
set -u
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || exit 1
for python in python3.11 python3.12 python3.10 python3.9 python3 /usr/bin/python3; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' >/dev/null 2>&1 </dev/null; then
        exec "$python" -u "$here/bootstrap_build.py" "${1:-$here/profile.json}"
    fi
done
echo "ENVIRONMENT_ERROR: No Python from 3.9 on was found on this host." \
    "Install it (Debian: apt-get install python3 python3-venv python3-dev gcc g++) and try again."
exit 1

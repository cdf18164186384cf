#!/bin/sh
# Prints the newest Python >= 3.11 of this machine; says what to do where there is none.
for python in python3.13 python3.12 python3.11 python3; do
    # A name on PATH may be a pyenv shim that leads nowhere, so each is asked.
    found=$("$python" -c 'import sys; print(sys.executable if sys.version_info >= (3, 11) else "")' 2>/dev/null)
    if [ -n "$found" ]; then
        echo "$found"
        exit 0
    fi
done
echo "Signalbox needs Python 3.11 or newer, and none was found on PATH. On Debian 12: apt-get install python3" >&2
exit 1

#!/bin/sh
# install-system-packages.sh PYTHON: installs what is missing on Debian and its kin, as root; elsewhere names it.
# Does nothing, at once, where all is there. Fails only where nothing can work: without venv.
set -eu
python=$1
needed=""
optional=""
cluster=""
peer=""
beside=""

need() { needed="$needed $1"; }
can_import() { "$python" -c "import $1" 2>/dev/null; }
has_headers() { "$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))'; }
is_there() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }

can_import ensurepip && can_import venv || need python3-venv
has_headers || need python3-dev                           # pycocotools and mmcv where no wheel fits
is_there gcc || need gcc
is_there g++ || need g++
is_there sshd || need openssh-server                      # the demo's and the tests' GPU server
is_there screen || need screen
is_there slurmctld && is_there munged || cluster="slurm-wlm munge"   # the tests of clusters, which run one
is_there prometheus-alertmanager || peer=" prometheus-alertmanager"   # the tests of alerts, which hold them against it
is_there promtool || peer="$peer prometheus"              # the tests of what deploy/monitoring ships
is_there chromium || optional="chromium fonts-dejavu-core fonts-noto-color-emoji"   # the tests of the workspace's page
is_there tsp || beside="task-spooler"                     # the bench measures beside it

[ -n "$needed$cluster$peer$optional$beside" ] || exit 0

without_root() {
    echo "These Debian packages are missing:$needed $cluster$peer $optional $beside" >&2
    echo "As root: apt-get install --no-install-recommends$needed $cluster$peer $optional $beside" >&2
    case "$needed" in
    *python3-venv*) echo "Without python3-venv nothing can be installed." >&2; exit 1 ;;
    *) echo "Going on without them: what needs them is skipped, with a sentence that says so." >&2; exit 0 ;;
    esac
}

if [ "$(id -u)" -ne 0 ] || ! is_there apt-get; then
    without_root
fi

export DEBIAN_FRONTEND=noninteractive
echo "Installing$needed $cluster$peer $optional $beside …"
apt-get update -qq || echo "The package lists could not be renewed; trying with those there are." >&2
# The names are our own words, split on purpose.
# shellcheck disable=SC2086
[ -z "$needed" ] || apt-get install -y -qq --no-install-recommends $needed >/dev/null
# shellcheck disable=SC2086
[ -z "$optional" ] || apt-get install -y -qq --no-install-recommends $optional >/dev/null ||
    echo "Chromium could not be installed; the tests of the page will be skipped." >&2
[ -z "$beside" ] || apt-get install -y -qq --no-install-recommends "$beside" >/dev/null ||
    echo "task-spooler could not be installed; the idle gap will not be measured." >&2
# Debian starts daemons as it installs them; nobody asked for a cluster on this machine, so they are switched off where that happened.
# shellcheck disable=SC2086
if [ -n "$cluster" ]; then
    if apt-get install -y -qq --no-install-recommends $cluster >/dev/null; then
        ! is_there systemctl || systemctl disable --now munge slurmctld slurmd >/dev/null 2>&1 || :
    else
        echo "Slurm could not be installed; the tests of clusters will be skipped." >&2
    fi
fi
# shellcheck disable=SC2086
if [ -n "$peer" ]; then
    ! is_there systemctl || systemctl mask $peer >/dev/null 2>&1 || :   # so that they are not even started
    apt-get install -y -qq --no-install-recommends $peer >/dev/null ||
        echo "Not installed:$peer; the tests that hold alerts and deploy/monitoring against them will be skipped." >&2
    ! is_there systemctl || { systemctl unmask $peer && systemctl disable $peer; } >/dev/null 2>&1 || :
fi

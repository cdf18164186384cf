#!/bin/sh
# Holds one attempt on a host: claims it, starts its program, writes how it ended. Plain POSIX sh (dash, bash, busybox).
#
# Lies in the attempt's directory beside launch.env (nonce, marker, crash_at) and command.sh (the program with its environment).
# Leaves: claim  a link whose text is <nonce>:<pid>:<start time>:<boot id>; who makes it runs the attempt, all others leave silently
#         log    what the program said
#         pid    the program's process and process group
#         exit   <code>, written last and by rename; 128 + n stands for signal n. When it was written is when the attempt ended
# A process more between two programs is idle time on their device: nothing here starts one that it can do without.
# Crash points: launch.before_claim launch.after_claim launch.after_start launch.before_exit launch.after_exit

case $0 in */*) cd "${0%/*}" || exit 1 ;; esac
unset SIGNALBOX_ATTEMPT STY WINDOW
nonce= marker= crash_at=
. ./launch.env || exit 1

crash_point() {
    if [ "$crash_at" = "$1" ]; then kill -9 $$; fi
}

# field: that of /proc/PID/stat by its number. The command's name (field 2) may hold blanks and brackets, so count behind its last bracket.
stat_field() {
    skipped=$(($2 - 3))
    field=
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    set -f
    # shellcheck disable=SC2086
    set -- ${stat##*) }
    set +f
    shift "$skipped"
    field=$1
}

# Until then the program is in the window's process group: a terminal that hangs up takes it along, and it carries no marker yet.
await_session() {
    while stat_field "$child" 6 && [ "$field" != "$child" ]; do sleep 0.01 2>/dev/null || sleep 1; done
}

# A group is a negative number: dash wants -- before it, busybox knows no --.
forward() {
    interrupted=yes
    if [ -z "$child" ]; then return; fi
    kill -s TERM -- "-$child" 2>/dev/null || kill -s TERM "-$child" 2>/dev/null
}

# A trapped signal ends wait early with 128 + its number; the program's own code comes from the next wait. That one says 127
# where the shell had already told the code.
await() {
    interrupted=
    wait "$child"
    code=$?
    while [ -n "$interrupted" ]; do
        interrupted=
        wait "$child"
        again=$?
        if [ "$again" -ne 127 ]; then code=$again; fi
    done
}

# Slurm takes the devices back when this script ends. Where it holds processes by their parents alone (proctrack/linuxproc), those that
# left them live on with what they hold, and nobody on the login node sees them.
end_left() {
    tries=0
    while [ "$tries" -lt 100 ]; do
        left=$(grep -lszxF "SIGNALBOX_ATTEMPT=$marker" /proc/[0-9]*/environ)
        if [ -z "$left" ]; then return; fi
        case $tries in 0) with=TERM ;; 20) with=KILL ;; *) with= ;; esac
        for file in ${with:+$left}; do
            file=${file#/proc/}
            kill -s "$with" "${file%/environ}" 2>/dev/null
        done
        tries=$((tries + 1))
        sleep 0.1 2>/dev/null || sleep 1
    done
}

# Overwrites the block reserved at the start: a training that filled the disk still gets its exit written.
write_exit() {
    printf '%s\n' "$code" 1<>exit.new && mv -f exit.new exit
}

crash_point launch.before_claim
read -r boot_id </proc/sys/kernel/random/boot_id
stat_field $$ 22
ln -s "$nonce:$$:$field:$boot_id" claim 2>/dev/null || exit 0
crash_point launch.after_claim

printf '%63s\n' '' >exit.new
: >>log
child= interrupted=
# Handlers, not '': an ignored signal would stay ignored in the program.
trap 'interrupted=yes' HUP INT QUIT TSTP
trap forward TERM
SIGNALBOX_ATTEMPT=$marker setsid sh ./command.sh </dev/null >>log 2>&1 &
child=$!
echo "$child" >pid
if [ "$crash_at" = launch.after_start ]; then await_session; fi
crash_point launch.after_start

window=
if [ -t 1 ]; then
    (trap '' TSTP; exec tail -n +1 -f log 2>/dev/null) &
    window=$!
fi
await
if [ -n "$window" ]; then kill "$window" 2>/dev/null; fi

if [ -n "${SLURM_JOB_ID:-}" ]; then end_left; fi

crash_point launch.before_exit
tries=0
until write_exit 2>/dev/null; do
    tries=$((tries + 1))
    if [ "$tries" -ge 60 ] || [ ! -L claim ]; then exit 1; fi
    sleep 5
done
crash_point launch.after_exit

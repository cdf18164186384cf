# Ends one attempt, or makes sure that it never starts; plain POSIX sh. Set before it: directory nonce marker grace_s limit_s.
# Crash points: stop.before_fence stop.after_fence stop.after_term stop.before_answer
# Says three lines at the end: claim=<text>, left=<processes that remain>, exited=<yes or no>.

# The attempt's processes: those that carry its marker. torchrun's ranks live in sessions of their own, so no group holds all.
# Environments are lists of entries that end in NUL: -z and -x make it the whole entry (r-1/1 is part of r-1/10).
sweep() {
    for file in $(grep -lszxF "SIGNALBOX_ATTEMPT=$marker" /proc/[0-9]*/environ); do
        file=${file#/proc/}
        echo "${file%/environ}"
    done
}

# A group is a negative number: dash wants -- before it, busybox knows no --.
send() {
    kill -s "$1" -- "$2" 2>/dev/null || kill -s "$1" "$2" 2>/dev/null
}

# launch.sh itself, as long as it lives and has not written the exit: it may be about to start the program.
holder() {
    if [ -e exit ]; then return; fi
    text=${claim#*:}
    pid=${text%%:*}
    text=${text#*:}
    case $pid in '' | *[!0-9]*) return ;; esac
    { read -r stat <"/proc/$pid/stat"; } 2>/dev/null || return
    set -f
    # shellcheck disable=SC2086
    set -- ${stat##*) }
    set +f
    if [ "${20}" = "${text%%:*}" ] && [ "$1" != Z ]; then echo "$pid"; fi
}

# The program's process group, but only while its leader is proven ours: a bare number may be somebody else's by now.
group() {
    { read -r leader <pid; } 2>/dev/null || return
    case " $(echo $left) " in *" $leader "*) echo "-$leader" ;; esac
}

mkdir -p "$directory" && cd "$directory" || exit 74
crash_point stop.before_fence
ln -s "cancelled:$nonce" claim 2>/dev/null
claim=$(readlink claim) || exit 74
crash_point stop.after_fence

started=$(date +%s)
asked= empty=
while :; do
    left=$(sweep)
    held=
    case $claim in cancelled:*) ;; *) held=$(holder) ;; esac
    if [ -z "$left$held" ]; then
        # Where nobody wrote an exit, look twice: a program just forked carries its marker only once it was executed.
        case $claim in cancelled:*) break ;; esac
        if [ -e exit ] || [ -n "$empty" ]; then break; fi
        empty=yes
    else
        empty=
    fi
    spent=$(($(date +%s) - started))
    if [ "$spent" -ge "$limit_s" ]; then break; fi
    if [ "$spent" -ge "$grace_s" ]; then
        for target in $(group) $left; do send KILL "$target"; done
    else
        leader=$(group)
        # The group first; once its leader is gone, whatever has outlived it. Each is asked once.
        for target in ${leader:-$left}; do
            case " $asked " in
            *" $target "*) ;;
            *) send TERM "$target" && asked="$asked $target" ;;
            esac
        done
        crash_point stop.after_term
    fi
    sleep 0.1 2>/dev/null || sleep 1
done

crash_point stop.before_answer
set -- $left $held
echo "claim=$claim"
echo "left=$#"
if [ -e exit ]; then echo exited=yes; else echo exited=no; fi

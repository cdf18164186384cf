# Ends the jobs of one attempt, or makes sure that it never starts; plain POSIX sh. Set before it: directory nonce marker grace_s limit_s.
# Says three lines at the end, as stop.sh does: claim=<text>, left=<jobs that Slurm has not ended>, exited=<yes or no>. Exit 75: Slurm
# cannot be asked now.
PATH=$PATH:/usr/local/bin:/opt/slurm/bin:/usr/local/slurm/bin:/cm/shared/apps/slurm/current/bin
export PATH

mkdir -p "$directory" && cd "$directory" || exit 74
ln -s "cancelled:$nonce" claim 2>/dev/null
claim=$(readlink claim) || exit 74
crash_point cancel.after_fence

started=$(date +%s)
asked=
while :; do
    known=$(squeue -h -u "$(id -un)" -o '%A %T %k') || exit 75
    left=$(echo "$known" | awk -v marker="$marker" '$3 == marker { print $1 }')
    waiting=$(echo "$known" | awk -v marker="$marker" '$3 == marker && ($2 == "PENDING" || $2 == "CONFIGURING") { print $1 }')
    if [ -z "$left" ]; then break; fi
    spent=$(($(date +%s) - started))
    if [ "$spent" -ge "$limit_s" ]; then break; fi
    # shellcheck disable=SC2086
    if [ -n "$waiting" ]; then scancel $waiting 2>/dev/null; fi
    for job in $left; do
        if [ "$spent" -ge "$grace_s" ]; then
            # launch.sh and every step; then the job itself, which goes through Slurm's own wait before it is gone.
            scancel --signal=KILL --full "$job" 2>/dev/null
            scancel "$job" 2>/dev/null
        else
            case " $asked " in
            *" $job "*) ;;
            *) scancel --signal=TERM --batch "$job" 2>/dev/null && asked="$asked $job" ;;
            esac
        fi
    done
    sleep 0.5 2>/dev/null || sleep 1
done

ls . >/dev/null  # a shared file system is asked anew
# shellcheck disable=SC2086
set -- $left
crash_point cancel.before_answer
echo "claim=$claim"
echo "left=$#"
if [ -e exit ]; then echo exited=yes; else echo exited=no; fi

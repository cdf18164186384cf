# Hands one attempt to Slurm, unless Slurm has it already or it is claimed; plain POSIX sh. Set before it: directory marker, and as
# "$@" what sbatch is asked for. Exit 75: Slurm cannot be asked now.
# The comment is the marker: an answer of sbatch that was lost is found again by it, and where two jobs came of that, one claims.
# Crash points: submit.before_sbatch submit.after_sbatch
# Never requeued: a second start of an attempt would find its own claim. slurmstepd says in the log why it ended a job.
PATH=$PATH:/usr/local/bin:/opt/slurm/bin:/usr/local/slurm/bin:/cm/shared/apps/slurm/current/bin
export PATH
cd "$directory" || exit 74
[ -L claim ] && exit 0
known=$(squeue -h -u "$(id -un)" -o '%k') || exit 75
case "
$known
" in *"
$marker
"*) exit 0 ;; esac
crash_point submit.before_sbatch
sbatch --parsable --no-requeue --comment="$marker" --chdir="$directory" --output=log --open-mode=append "$@" --wrap='exec sh ./launch.sh'
code=$?
crash_point submit.after_sbatch
exit "$code"

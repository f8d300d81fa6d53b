# shellcheck shell=bash disable=SC2034 # the scripts use the variables that are set here
# Shared by bsub_submit.sh, sbatch_submit.sh and local_submit.sh, which source it. Sets job, lurge and name, and, from the
# output of `lurge plan --shell`: ranks, memory_mb_a_rank, queue, group, logs and dates.

# Exit with advice unless a program exists: need PROGRAM ADVICE.
need() {
    command -v "$1" > /dev/null || { printf '%s: %s is not on PATH\n  -> %s\n' "$0" "$1" "$2" >&2 && exit 1; }
}

case ${1:-} in
    report | split | backfill) job=$1 && shift ;;
    *) sed -n '2,/^$/s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
lurge=${LURGE:-lurge}
need "$lurge" "Set LURGE to the path of the lurge command."
plan_options=()
if [ "$job" = backfill ]; then
    plan_options=(--backfill)
    # The number of dates depends on --since.
    for ((i = 1; i <= $#; i++)); do
        case ${!i} in
            --since) next=$((i + 1)) && plan_options+=(--since "${!next:-}") ;;
            --since=*) plan_options+=("${!i}") ;;
        esac
    done
fi
ranks=1 memory_mb_a_rank=0 queue="" group="" logs=. dates=0
assignments=$("$lurge" plan --shell "${plan_options[@]}")
eval "$assignments"
logs=$logs/$(date -u +%Y-%m-%d)
mkdir -p "$logs"
name=lurge_$job

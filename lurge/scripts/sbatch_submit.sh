#!/usr/bin/env bash
# Submit a lurge job to Slurm: sbatch_submit.sh report|split|backfill [OPTION]...
#
# The options are passed on to the job. The number of ranks, memory, partition, account and logs come from the
# configuration ($LURGE_CONFIG), as `lurge plan` works them out. A backfill is an array of which one element runs at a
# time, each reading one date. $LURGE is the lurge to run, $MPIRUN the mpirun that belongs to its mpi4py.
# $SBATCH_OPTIONS are more options for sbatch, such as --wait.

set -euo pipefail
# shellcheck source=scripts/submit.sh
. "$(dirname "$0")/submit.sh"
need sbatch "Put Slurm on PATH, or use local_submit.sh."

log=$logs/$name.%j
command=("${MPIRUN:-mpirun}" -n "$ranks" "$lurge" "$job")
options=(--job-name="$name" --ntasks="$ranks" --mem-per-cpu="${memory_mb_a_rank}M")
if [ "$job" = backfill ]; then
    [ "$dates" -gt 0 ] || exit 0
    options+=(--array="1-$dates%1")
    log=$logs/$name.%A.%a
    command+=(--limit 1)
fi
options+=(--output="$log.out" --error="$log.err")
[ -z "$queue" ] || options+=(--partition="$queue")
[ -z "$group" ] || options+=(--account="$group")
read -r -a more <<< "${SBATCH_OPTIONS:-}"
printf -v line '%q ' "${command[@]}" "$@"
exec sbatch "${options[@]}" "${more[@]}" --wrap="exec $line"

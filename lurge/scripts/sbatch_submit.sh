#!/usr/bin/env bash
# Submit a lurge job to Slurm: sbatch_submit.sh report|split|backfill [OPTION]...
#
# Options are passed on to the job. `lurge plan` computes the number of ranks and the memory, and takes partition,
# account and logs from the configuration ($LURGE_CONFIG). A backfill is submitted as an array job, whose elements run
# one at a time and read one date each. $LURGE is the lurge command; $MPIRUN is the mpirun that belongs to its mpi4py.
# $SBATCH_OPTIONS contains additional options for sbatch, such as --wait.

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

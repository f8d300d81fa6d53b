#!/usr/bin/env bash
# Submit a lurge job to LSF: bsub_submit.sh report|split|backfill [OPTION]...
#
# Options are passed on to the job. `lurge plan` computes the number of ranks and the memory, and takes queue, group and
# logs from the configuration ($LURGE_CONFIG). A backfill is submitted as an array job, whose elements run one at a time
# and read one date each. $LURGE is the lurge command; $MPIRUN is the mpirun that belongs to its mpi4py.

set -euo pipefail
# shellcheck source=scripts/submit.sh
. "$(dirname "$0")/submit.sh"
need bsub "Source the profile of LSF, or use local_submit.sh."

log=$logs/$name.%J
command=("${MPIRUN:-mpirun}" -n "$ranks" "$lurge" "$job")
if [ "$job" = backfill ]; then
    [ "$dates" -gt 0 ] || exit 0
    name="${name}[1-$dates]%1"
    log=$log.%I
    command+=(--limit 1)
fi
options=(-J "$name" -n "$ranks" -o "$log.out" -e "$log.err" -M "$memory_mb_a_rank"
    -R "select[mem>$memory_mb_a_rank] rusage[mem=$memory_mb_a_rank]")
[ -z "$queue" ] || options+=(-q "$queue")
[ -z "$group" ] || options+=(-G "$group")
# bsub passes the command line to a shell, so its words are quoted here.
printf -v line '%q ' "${command[@]}" "$@"
exec bsub "${options[@]}" "$line"

#!/usr/bin/env bash
# Run a lurge job on this machine, without a scheduler: local_submit.sh report|split|backfill [OPTION]...
#
# The job uses all cores. This script waits for it and has its exit status. Options are passed on to the job; -n RANKS runs
# it under MPI. Logs go to the directory in the configuration ($LURGE_CONFIG). $LURGE is the lurge command.

set -euo pipefail
# shellcheck source=scripts/submit.sh
. "$(dirname "$0")/submit.sh"

log=$logs/$name.$$
exec "$lurge" "$job" "$@" > "$log.out" 2> "$log.err"

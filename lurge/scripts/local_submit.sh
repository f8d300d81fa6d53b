#!/usr/bin/env bash
# Run a lurge job on this machine, where there is no scheduler: local_submit.sh report|split|backfill [OPTION]...
#
# The job uses every core and ends before this script does, with its exit status. The options are passed on to it; -n RANKS
# runs it under MPI. Logs go where the configuration ($LURGE_CONFIG) says. $LURGE is the lurge to run.

set -euo pipefail
# shellcheck source=scripts/submit.sh
. "$(dirname "$0")/submit.sh"

log=$logs/$name.$$
exec "$lurge" "$job" "$@" > "$log.out" 2> "$log.err"

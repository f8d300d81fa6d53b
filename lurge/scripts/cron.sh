#!/usr/bin/env bash
# The nightly job, for crontab: sets up the environment, then submits one job for everything.
#
#   0 2 * * *  LURGE_CONFIG=/where/lurge.toml /where/scripts/cron.sh
#
# $LURGE_PROFILE is a file to source first (the scheduler's profile, passwords). $LURGE_SUBMIT is the script that submits
# the job. By default it is bsub_submit.sh or sbatch_submit.sh in this folder, depending on the scheduler on PATH. If there
# is no scheduler, local_submit.sh can run the job on this machine. Options are passed on to `lurge report`.

set -euo pipefail
if [ -n "${LURGE_PROFILE:-}" ]; then
    set +u
    # shellcheck source=/dev/null
    . "$LURGE_PROFILE"
    set -u
fi
: "${LURGE_CONFIG:?set LURGE_CONFIG to the configuration file}"
export LURGE_CONFIG
here=$(dirname "$0")
submit=${LURGE_SUBMIT:-}
for scheduler in bsub sbatch; do
    if [ -z "$submit" ] && command -v "$scheduler" > /dev/null; then
        submit=$here/${scheduler}_submit.sh
    fi
done
if [ -z "$submit" ]; then
    echo "$0: neither bsub nor sbatch is on PATH" >&2
    echo "  -> Set LURGE_PROFILE to a file that puts the scheduler on PATH," >&2
    echo "     or LURGE_SUBMIT=$here/local_submit.sh to run the job on this machine." >&2
    exit 1
fi
exec "$submit" report --split "$@"

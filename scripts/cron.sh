#!/usr/bin/env bash
# The nightly job, for crontab: the environment, then one submission for everything.
#
#   0 2 * * *  LURGE_CONFIG=/where/lurge.toml /where/scripts/cron.sh
#
# $LURGE_PROFILE is a file to source first (the scheduler's profile, passwords); $LURGE_SUBMIT the script that submits,
# bsub_submit.sh beside this one unless it is set. Options are passed on to `lurge report`.

set -euo pipefail
if [ -n "${LURGE_PROFILE:-}" ]; then
    set +u
    # shellcheck source=/dev/null
    . "$LURGE_PROFILE"
    set -u
fi
: "${LURGE_CONFIG:?name the configuration file in LURGE_CONFIG}"
export LURGE_CONFIG
exec "${LURGE_SUBMIT:-$(dirname "$0")/bsub_submit.sh}" report --split "$@"

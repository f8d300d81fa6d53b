#!/bin/sh
# Scan two trees of this machine, work out base directories, report on them, as a site would every night. Look at one.
# Usage: demo.sh BIN DIRECTORY RANKS
set -eu
bin=$1 demo=$2 ranks=$3
environment=$(cd "$bin/.." && pwd)
mkdir -p "$demo/dumps"
cat > "$demo/lurge.toml" <<EOF
[dumps]
directory = "dumps"
volumes = [{ name = "usr", path = "/usr" }, { name = "environment", path = "$environment" }]

[basedirs]
depth = 2

[basedirs.prefixes]
"$environment" = $(($(printf %s "$environment" | tr -cd / | wc -c) + 1))
EOF
if ! ls -d "$demo"/dumps/2*/ >/dev/null 2>&1; then
    # The other kernels compile while the trees are scanned.
    "$bin/python" -m lurge.aggregate.warm parsing attribution cells rolling-up basedirs &
    "$bin/lurge" scan /usr "$environment" --output "$demo/dumps"
    wait
    "$bin/lurge" basedirs "$demo"/dumps/2*/ --config "$demo/lurge.toml"
fi
"$bin/lurge" report --config "$demo/lurge.toml" --ranks "$ranks"
"$bin/lurge" look "$environment" --top 5

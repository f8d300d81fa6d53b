#!/bin/sh
# Make up works, load what was seen of them earlier, count them today, and show where they are.
# Usage: works.sh BIN DIRECTORY
set -eu
bin=$1 demo=$2
rm -rf "$demo"
"$bin/lurge" synth --works 400 --output "$demo" --quiet
config="$demo/lurge.toml"
"$bin/lurge" works load "$demo/backlog.csv" --config "$config"
"$bin/lurge" works gather --config "$config"
echo "What is where:"
"$bin/lurge" works list --by project --config "$config"
echo "Waiting longest to be processed:"
"$bin/lurge" works ageing --state ReadyToProcess --config "$config" | head -6
echo "Works that lost images on their way:"
"$bin/lurge" works lost --config "$config" | head -6

#!/bin/sh
# Make up inventories of two buckets, load them, ask what is in them, and report on them beside a tree of this machine.
# Usage: lake.sh BIN DIRECTORY
set -eu
bin=$1 demo=$2
tree=/usr/share/doc
rm -rf "$demo"
"$bin/lurge" synth --buckets 2 --records 20000 --dates 3 --output "$demo" --quiet
config="$demo/lurge.toml"
sed -i "s|^volumes = \\[|volumes = [{ name = \"doc\", path = \"$tree\" }, |" "$config"
"$bin/lurge" scan "$tree" --output "$demo/dumps" --quiet
"$bin/lurge" basedirs "$demo"/dumps/* --config "$config" --quiet
"$bin/lurge" lake load --config "$config"
echo "What the objects are:"
"$bin/lurge" lake usage --by storageclass --config "$config"
echo "What changed since the day before:"
"$bin/lurge" lake diff "$(date -u -d '1 day ago' +%F)" "$(date -u +%F)" --config "$config" | head -6
"$bin/lurge" report --config "$config" --quiet
echo "What is where, file systems and buckets side by side:"
"$bin/lurge" show history --config "$config"

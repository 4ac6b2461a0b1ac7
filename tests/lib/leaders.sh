#!/bin/bash
# leaders.sh OUT DIR NODE... -- looks at the nodes again and again and writes down
# "term name" for each that calls itself leader. Runs until it is killed.
out=$1 dir=$2
shift 2
while true; do
    for node in "$@"; do
        timeout 2 "$RAFTFS" status "$dir/data/$node" --json 2>/dev/null |
            jq -r 'select(.role == "leader") | "\(.term) \(.name)"' \
                >>"$out" 2>/dev/null
    done
    sleep 0.05
done

#!/usr/bin/env bats
# What happens to nodes has codes, which are counted and remembered.
load ../lib/cluster

events() { timeout 10 "$RAFTFS" events "$C/data/$1" --json "${@:2}"; }
has_event() { # NODE CODE [TEXT]
    events "$1" | jq -e --arg code "$2" --arg text "${3:-}" -s \
        'any(.[]; .code == $code and (.text | contains($text)))' >/dev/null
}

@test "events have codes, by data directory and by mount, and are followed" {
    cluster_up 3
    local leader
    leader=$(leader_name)
    has_event "$leader" role role=leader
    has_event n2 session-opened
    has_event n2 peer-connected
    run timeout 10 "$RAFTFS" events "$C/n2"
    [[ $status -eq 0 && $output == *" session-opened "* ]]
    timeout 10 "$RAFTFS" events "$C/n2" --warnings | { ! grep -F " info "; }
    background timeout 60 "$RAFTFS" events "$C/data/n2" --follow \
        >"$BATS_TEST_TMPDIR/followed"
    node_kill "$leader"
    set -- $(others "$leader")
    leader_name "$@" >/dev/null
    wait_until 10 grep -q "warn  peer-" "$BATS_TEST_TMPDIR/followed" ||
        [[ $leader == n2 ]]
    grep -q " warn peer-" "$C/$1/.raftfs/errors"
    [[ $(grep -c " info " "$C/$1/.raftfs/errors") == 0 ]]
    run timeout 10 "$RAFTFS" events "$C/data/$leader"
    [[ $status -eq 1 && $output == *"is not running"* ]]
}

@test "a node that was away for too long says what it has lost" {
    cluster_up 3
    local node leader
    leader=$(leader_name)
    set -- $(others "$leader")
    for node in "${NODES[@]}"; do
        node_kill "$node"
        jq '.session_timeout_ms = 2000' "$C/data/$node/raftfs.json" \
            >"$BATS_TEST_TMPDIR/new"
        cp "$BATS_TEST_TMPDIR/new" "$C/data/$node/raftfs.json"
    done
    for node in "${NODES[@]}"; do
        node_start "$node"
    done
    wait_until 20 serves n1
    leader=$(leader_name)
    set -- $(others "$leader")
    echo x >"$C/$1/d/f"
    background flock "$C/$1/d/f" sleep 60
    wait_until 10 has_lock "$1"
    node_pause "$1"
    wait_until 20 has_event "$leader" session-timed-out "node=$1"
    node_resume "$1"
    wait_until 20 has_event "$1" session-ended
    wait_until 20 has_event "$1" lock-lost inode=
}

has_lock() {
    [[ $(timeout 5 "$RAFTFS" locks "$C/data/$1" --json |
        jq '.locks | length') == 1 ]]
}

@test "settings change under load, without an election or a lost answer" {
    cluster_up 3
    local leader term node ms
    leader=$(leader_name)
    for node in "${NODES[@]}"; do appender "$node" 1000000; done
    wait_until 20 acked 10 "${NODES[@]}"
    term=$(field "$leader" term)
    for ms in 20 50 200 100; do
        for node in "${NODES[@]}"; do
            timeout 10 "$RAFTFS" config set "heartbeat_ms=$ms" "$C/$node"
            timeout 10 "$RAFTFS" config set "op_timeout_ms=${ms}00" "$C/$node"
            [[ $(timeout 10 "$RAFTFS" config get heartbeat_ms "$C/$node") == "$ms" ]]
        done
    done
    has_event n1 setting heartbeat_ms
    wait_until 20 acked 30 "${NODES[@]}"
    [[ $(field "$leader" role) == leader && $(field "$leader" term) == "$term" ]]
    end_background
    wait_converged
    check_appends "$C/n2/d/log"
    [[ $(jq .heartbeat_ms "$C/data/n1/raftfs.json") == 100 ]]
    run timeout 10 "$RAFTFS" config set heartbeat_ms=9999 "$C/n1"
    [[ $status -eq 1 && $output == *heartbeat_ms* ]]
    run timeout 10 "$RAFTFS" config set election_ms=9999 "$C/n1"
    [[ $status -eq 1 && $output == *election_ms* ]]
    run timeout 10 "$RAFTFS" config get nonsense "$C/n1"
    [[ $status -eq 1 && $output == *nonsense* ]]
}

config_is() { # NODE KEY VALUE
    [[ $(timeout 10 "$RAFTFS" config get "$2" "$C/$1") == "$3" ]]
}

@test "a setting of the whole cluster is on every node, and on one that comes later" {
    cluster_up 3
    local leader term node
    leader=$(leader_name)
    for node in "${NODES[@]}"; do appender "$node" 1000000; done
    wait_until 20 acked 10 "${NODES[@]}"
    term=$(field "$leader" term)
    lab stop n3
    timeout 10 "$RAFTFS" config set --cluster heartbeat_ms=60 "$C/n1"
    timeout 10 "$RAFTFS" config set --cluster window_mb=2 "$C/n2"
    timeout 10 "$RAFTFS" config set --cluster log_trailing=50000 "$C/n2"
    for node in n1 n2; do
        wait_until 10 config_is "$node" heartbeat_ms 60
    done
    lab start n3
    wait_until 20 config_is n3 heartbeat_ms 60
    wait_until 10 config_is n3 window_mb 2
    has_event n3 setting heartbeat_ms
    lab add n4
    wait_until 20 config_is n4 heartbeat_ms 60
    [[ $(timeout 10 "$RAFTFS" config get --cluster "$C/n4" | jq -c -S .) == \
        '{"heartbeat_ms":60,"log_trailing":50000,"window_mb":2}' ]]
    # A node's own value waits behind it, and is there again afterwards.
    run timeout 10 "$RAFTFS" config set heartbeat_ms=40 "$C/n1"
    [[ $status -eq 1 && $output == *"whole cluster"* ]]
    timeout 10 "$RAFTFS" config set --cluster heartbeat_ms= "$C/n3"
    wait_until 10 config_is n1 heartbeat_ms 100
    wait_until 10 config_is n4 heartbeat_ms 100
    timeout 10 "$RAFTFS" config set heartbeat_ms=40 "$C/n1"
    config_is n1 heartbeat_ms 40
    config_is n2 heartbeat_ms 100
    run timeout 10 "$RAFTFS" config set --cluster heartbeat_ms=9999 "$C/n1"
    [[ $status -eq 1 && $output == *heartbeat_ms* ]]
    run timeout 10 "$RAFTFS" config set --cluster nonsense=1 "$C/n1"
    [[ $status -eq 1 && $output == *nonsense* ]]
    wait_until 20 acked 30 n1 n2
    [[ $(field "$leader" role) != leader || $(field "$leader" term) == "$term" ]]
    end_background
    wait_converged
    check_appends "$C/n2/d/log"
}

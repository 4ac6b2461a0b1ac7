#!/usr/bin/env bats
# 12. Nodes come, go and move while programs work; nothing fails.
load ../lib/cluster

# writer NODE: appends lines until teardown; failures go to bad.NODE.
writer() {
    background bash -c 'i=0
        while :; do
            i=$((i + 1))
            if echo "$2 $i" >>"$1"; then echo "$2 $i" >>"$3/acks.$2"
            else echo "$2 $i" >>"$3/bad.$2"; fi
        done' writer "$C/$1/d/log" "$1" "$BATS_TEST_TMPDIR"
}
# A few more lines of each.
more_lines() {
    local node before
    for node in "$@"; do
        before=$(wc -l <"$BATS_TEST_TMPDIR/acks.$node" 2>/dev/null || echo 0)
        wait_until 20 has_lines "$BATS_TEST_TMPDIR/acks.$node" $((before + 5))
    done
}
nothing_failed() {
    end_background
    if cat "$BATS_TEST_TMPDIR"/bad.* 2>/dev/null | grep .; then
        fail "these writes failed"
    fi
}
all_there() { # NODE: every acknowledged line, once
    diff <(sort "$BATS_TEST_TMPDIR"/acks.*) \
        <(sort "$C/$1/d/log" | grep -Fxf <(cat "$BATS_TEST_TMPDIR"/acks.*))
}
raftfs() { timeout 60 "$RAFTFS" "$@"; }
member() { raftfs member "$1" "${@:3}" "$C/data/$2"; } # ACTION NODE ...
voters() { # NODE
    member list "$1" --json |
        jq -r '[.committed[] | select(.role == "voter") | .name] | sort | join(" ")'
}
join() {
    lab add "$1"
    NODES+=("$1")
}
leave() {
    local node
    lab remove "$1"
    node=$1
    mapfile -t NODES < <(printf '%s\n' "${NODES[@]}" | grep -vx "$node")
}

@test "from one node to five and back to three under load" {
    cluster_up 1
    writer n1
    join n2
    join n3
    [[ $(voters n1) == "n1 n2 n3" ]]
    writer n3
    more_lines n1 n3
    join n4
    join n5
    [[ $(voters n3) == "n1 n2 n3 n4 n5" ]]
    grep -qx "n5 127.0.0.1:[0-9]*" "$C/n2/.raftfs/members"
    more_lines n1 n3
    leave n5
    leave n2
    more_lines n1 n3
    [[ $(voters n4) == "n1 n3 n4" ]]
    nothing_failed
    wait_converged
    all_there n4
    # A restart knows it all, whatever the files say.
    lab stop n4
    node_start n4
    wait_until 15 serves n4
    [[ $(voters n4) == "n1 n3 n4" ]]
    check_leaders
}

@test "a dead node is replaced, and must not disturb when it returns" {
    cluster_up 3
    writer n1
    node_kill n3
    more_lines n1
    member remove n1 n3
    join n4
    more_lines n1
    [[ $(voters n1) == "n1 n2 n4" ]]
    nothing_failed
    leader=$(leader_name n1 n2 n4)
    term=$(field "$leader" term)
    # The removed one does not know; it learns it.
    node_start n3
    told() { raftfs status "$C/data/n3" | grep -q "not a member of the cluster"; }
    wait_until 20 told
    serves n1
    [[ $(field n1 term) == "$term" ]]
    wait_converged n1 n2 n4
}

@test "a node moves to another port while it runs" {
    cluster_up 3
    writer n1
    port=$(($(free_port_base) + 500))
    member move n1 "n2=127.0.0.1:$port"
    listening() { ss -ltn | grep -q "127.0.0.1:$port "; }
    need_command ss
    wait_until 10 listening
    connected() { [[ $(node_status "$1" | jq '[.peers[].connected] | all') == true ]]; }
    for node in n1 n2 n3; do
        wait_until 20 connected "$node"
    done
    more_lines n1
    nothing_failed
    # It stays there.
    lab stop n2
    node_start n2
    wait_until 10 listening
    wait_until 15 serves n2
    wait_converged
}

@test "leadership is handed over under load, and nothing fails" {
    cluster_up 3
    writer n1
    writer n2
    for to in n2 n3 n1 n2; do
        more_lines n1 n2
        raftfs transfer "$to" "$C/data/n3"
        [[ $(leader_name) == "$to" ]]
    done
    raftfs transfer "$C/data/n1"
    nothing_failed
    wait_converged
    all_there n3
    check_leaders
}

@test "the leader removes itself, and the others go on" {
    cluster_up 3
    leader=$(leader_name)
    # shellcheck disable=SC2046
    set -- $(others "$leader")
    writer "$1"
    more_lines "$1"
    member remove "$leader" "$leader"
    wait_until 15 has_leader "$@"
    more_lines "$1"
    nothing_failed
    run raftfs status "$C/data/$leader"
    [[ $output == *"this node was removed from the cluster"* ]]
    run timeout 20 touch "$C/$leader/d/x"
    [[ $status -ne 0 ]]
}

@test "refusals say why" {
    cluster_up 3
    run member remove n1 n9
    [[ $status -eq 1 && $output == *"no member of this cluster has that name"* ]]
    member remove n1 n3
    run member remove n1 n2
    [[ $status -eq 1 && $output == *"--force"* ]]
    run member add n1 n2=127.0.0.1:1
    [[ $status -eq 1 && $output == *"another address"* ]]
    run raftfs transfer n9 "$C/data/n1"
    [[ $status -eq 1 ]]
    run raftfs member add n4 "$C/data/n1"
    [[ $status -eq 100 ]]
    member remove n1 n2 --force
    [[ $(voters n1) == n1 ]]
    serves n1
    run member remove n1 n1 --force
    [[ $status -eq 1 && $output == *"last voter"* ]]
}

@test "a node that was removed comes again under its name, with a new disk" {
    cluster_up 3
    writer n1
    more_lines n1
    leave n3
    join n3
    more_lines n1
    [[ $(voters n1) == "n1 n2 n3" ]]
    not_new() { [[ $(field n3 newcomer) != true && $(field n3 role) == follower ]]; }
    wait_until 20 not_new
    node_kill n1
    wait_until 20 serves n3
    node_start n1
    wait_until 20 serves n1
    end_background
    wait_converged
    all_there n3
}

# n4 is told of n1 alone, and must take the tree from n2.
@test "who joins behind the log gets the tree from a leader that it does not know" {
    cluster_up 3
    configure log_trailing 10
    raftfs transfer n2 "$C/data/n1"
    cut_off() {
        echo line >>"$C/n1/d/file"
        (($(field n2 first) > 10))
    }
    wait_until 60 cut_off
    [[ $(leader_name) == n2 ]]
    timeout 60 "$LAB" --dir "$C" add n4
    NODES+=(n4)
    [[ $(voters n1) == "n1 n2 n3 n4" ]]
    (($(field n4 counters.snapshots_installed) > 0))
    wait_converged
}

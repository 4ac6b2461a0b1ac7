#!/usr/bin/env bats
# 13. A data directory that is lost: the others do not take a new one for it.
load ../lib/cluster

address_of() { jq -r ".listen" "$C/data/$1/raftfs.json"; }
# made_anew NODE [OPTION...]: as a person would after the loss of a disk.
made_anew() {
    local node=$1 other peers=() address
    shift
    address=$(address_of "$node")
    for other in $(others "$node"); do
        peers+=(--peer "$other=$(address_of "$other")")
    done
    rm -rf "$C/data/$node"
    "$RAFTFS" init "$C/data/$node" --name "$node" --listen "$address" \
        "${peers[@]}" "$@" >/dev/null
}
is_refused_by() { # NODE PEER
    [[ $(node_status "$1" | jq -r ".peers[] | select(.name == \"$2\") | .why") == \
        *"--rejoin"* ]]
}
is_newcomer() { [[ $(field "$1" newcomer) == true ]]; }
counts_again() { ! is_newcomer "$1" && [[ $(field "$1" role) == follower ]]; }
has_event() { timeout 10 "$RAFTFS" events "$C/data/$1" --json |
    jq -e --arg code "$2" -s 'any(.[]; .code == $code)' >/dev/null; }
knows_that_cannot_sync() { # NODE PEER
    node_status "$1" | jq -e --arg peer "$2" \
        '.peers[] | select(.name == $peer) | .cannot_sync != null' >/dev/null
}
same_trees() {
    local node
    for node in "${NODES[@]}"; do
        diff -r "$C/n1/d" "$C/$node/d"
    done
}

@test "a node whose disk was lost is refused, and rejoins when it is told to" {
    need_command jq
    cluster_up 3
    local leader victim other
    leader=$(leader_name)
    victim=$(others "$leader" | head -n 1)
    other=$(others "$leader" "$victim")
    cp -r "$ROOT/docs" "$C/$victim/d/docs"
    wait_converged
    lab stop "$victim"
    made_anew "$victim"
    lab start "$victim"
    wait_until 20 is_refused_by "$victim" "$leader"
    wait_until 20 is_refused_by "$victim" "$other"
    has_event "$leader" peer-refused
    run timeout 5 ls "$C/$victim/d"
    [[ $status -ne 0 ]]
    serves "$leader"
    # It does not help to start again, and what the others have is as it was.
    lab stop "$victim"
    made_anew "$victim" --rejoin
    lab start "$victim"
    wait_until 30 serves "$victim"
    wait_until 20 counts_again "$victim"
    wait_until 5 has_event "$victim" rejoined
    # Behind a record of its new life, which the others committed without it.
    [[ $(timeout 10 "$RAFTFS" events "$C/data/$victim" --json |
        jq -r '.code | select(. == "session-opened" or . == "rejoined")' |
        tail -n 2 | tr '\n' ' ') == "session-opened rejoined " ]]
    wait_converged
    same_trees
    # It is a member as before: with it the cluster lives without the leader.
    lab kill "$leader"
    wait_until 20 serves "$victim"
    lab start "$leader"
    wait_until 20 serves "$leader"
    wait_converged
    # And no newcomer after its next start.
    lab stop "$victim"
    lab start "$victim"
    wait_until 20 serves "$victim"
    ! is_newcomer "$victim"
}

@test "a node that rejoins is no voter until it has everything" {
    cluster_up 3
    local leader victim other
    leader=$(leader_name)
    victim=$(others "$leader" | head -n 1)
    other=$(others "$leader" "$victim")
    echo text >"$C/$leader/d/file"
    wait_converged
    lab stop "$victim"
    made_anew "$victim" --rejoin
    # Alone with one that has records it makes no majority.
    lab kill "$leader"
    lab start "$victim"
    wait_until 10 is_newcomer "$victim"
    run timeout 15 bash -c "echo more >>'$C/$other/d/file'"
    [[ $status -ne 0 ]]
    is_newcomer "$victim"
    lab start "$leader"
    wait_until 20 counts_again "$victim"
    wait_until 20 serves "$victim"
    wait_converged
    same_trees
    grep -q text "$C/$victim/d/file"
}

@test "a node that is out of service is resynced" {
    cluster_up 3
    local victim
    victim=$(others "$(leader_name)" | head -n 1)
    echo text >"$C/n1/d/file"
    wait_converged
    timeout 5 "$RAFTFS" fault "$C/data/$victim" fail apply 1
    echo more >>"$C/$(others "$victim" | head -n 1)/d/file"
    is_faulted() { [[ $(field "$1" role) == faulted ]]; }
    wait_until 10 is_faulted "$victim"
    wait_until 10 knows_that_cannot_sync "$(leader_name)" "$victim"
    run "$RAFTFS" resync "$C/data/$victim"
    [[ $status -eq 1 && $output == *"running"* ]]
    lab stop "$victim"
    "$RAFTFS" resync "$C/data/$victim"
    [[ -e $C/data/$victim/before-resync/log.db ]]
    run "$RAFTFS" resync "$C/data/$victim"
    [[ $status -eq 1 && $output == *before-resync* ]]
    lab start "$victim"
    wait_until 30 serves "$victim"
    wait_until 20 counts_again "$victim"
    wait_converged
    run knows_that_cannot_sync "$(leader_name)" "$victim"
    [[ $status -ne 0 ]]
    same_trees
    run "$RAFTFS" resync
    [[ $status -eq 100 ]]
}

@test "of two nodes one whose disk was lost rejoins" {
    cluster_up 2
    lab stop n2
    run "$RAFTFS" resync "$C/data/n2"
    [[ $status -eq 1 && $output == *"init --rejoin"* ]]
    [[ -e $C/data/n2/log.db && ! -e $C/data/n2/before-resync ]]
    lab start n2
    wait_until 20 serves n2
    echo text >"$C/n1/d/file"
    wait_converged
    lab stop n2
    made_anew n2
    lab start n2
    wait_until 20 is_refused_by n2 n1
    lab stop n2
    made_anew n2 --rejoin
    lab start n2
    wait_until 30 serves n2
    wait_until 10 serves n1
    wait_converged
    same_trees
}

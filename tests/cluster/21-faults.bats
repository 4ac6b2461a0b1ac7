#!/usr/bin/env bats
# A node whose disk or log fails takes itself out of service, says why, and the
# others go on.
load ../lib/cluster

teardown() {
    local disk
    for disk in "${C:-/nowhere}"/data/*; do
        ! mountpoint -q "$disk" || umount -l "$disk"
    done
    cluster_down
}

fail_point() { timeout 5 "$RAFTFS" fault "$C/data/$1" fail "${@:2}"; }
events() { timeout 10 "$RAFTFS" events "$C/data/$1" --json; }
has_event() { # NODE CODE [PEER]
    events "$1" | jq -e --arg code "$2" --arg peer "${3:-}" -s \
        'any(.[]; .code == $code and ($peer == "" or .peer == $peer))' >/dev/null
}
is_faulted() { [[ $(field "$1" role) == faulted ]]; }
# What a node says of a peer that has told it that it cannot follow.
cannot_sync() {
    node_status "$1" | jq -r --arg peer "$2" \
        '.peers[] | select(.name == $peer) | .cannot_sync.code // ""'
}
knows_that_cannot_sync() { [[ $(cannot_sync "$1" "$2") == "$3" ]]; }

# A leader that is cut off with changes that only it has; then the others have
# one of their own. Sets OLD and the other nodes as LEADER and THIRD.
cut_off_leader_with_changes() {
    OLD=$(leader_name)
    lab cut "$OLD"
    background timeout 30 bash -c "echo lost >'$C/$OLD/d/lost'"
    # shellcheck disable=SC2046
    set -- $(others "$OLD")
    LEADER=$(leader_name "$@")
    THIRD=$(others "$OLD" "$LEADER")
    wait_until 20 serves "$LEADER"
}

@test "a failed undo takes the node out of service, and its leader knows" {
    cluster_up 3 op_timeout=3
    cut_off_leader_with_changes
    fail_point "$OLD" undo
    lab heal
    wait_until 20 is_faulted "$OLD"
    has_event "$OLD" undo-failed
    wait_until 10 knows_that_cannot_sync "$LEADER" "$OLD" undo-failed
    has_event "$LEADER" peer-cannot-sync "$OLD"
    run timeout 10 ls "$C/$OLD/d"
    [[ $status -ne 0 && $output == *"Input/output error"* ]]
    run timeout 10 touch "$C/$OLD/d/x"
    [[ $status -ne 0 && $output == *"Input/output error"* ]]
    serves "$LEADER"
    serves "$THIRD"
    mend "$OLD"
    # Its members are as they were.
    [[ $(node_status "$LEADER" | jq '.peers | length') == 2 ]]
    # Evidence: what could not be undone is in its log.
    node_kill "$OLD"
    timeout 10 "$RAFTFS" log "$C/data/$OLD" | grep -q "create.*lost"
    # Whoever knew of it and leads no more forgets it, mended or not.
    "$RAFTFS" transfer "$THIRD" "$C/data/$LEADER"
    wait_until 10 knows_that_cannot_sync "$LEADER" "$OLD" ""
    node_start "$OLD"
    wait_until 30 serves "$OLD"
    wait_converged
    knows_that_cannot_sync "$THIRD" "$OLD" ""
}

@test "a failed sync or apply or log write stops one node, the others go on" {
    cluster_up 3
    local point code victim leader
    for point in sync:sync-failed apply:apply-failed \
        log-write:append-failed; do
        code=${point#*:}
        point=${point%:*}
        leader=$(leader_name)
        victim=$(others "$leader" | head -n 1)
        # It may fail before the write, with a record of the cluster's own.
        fail_point "$victim" "$point" 1
        echo "$point" >"$C/$leader/d/$point"
        wait_until 10 is_faulted "$victim"
        wait_until 10 has_event "$victim" "$code"
        wait_until 10 knows_that_cannot_sync "$leader" "$victim" "$code"
        for node in $(others "$victim"); do
            serves "$node"
        done
        node_kill "$victim"
        node_start "$victim"
        wait_until 30 serves "$victim"
        wait_converged
    done
}

quarantine() { timeout 20 "$RAFTFS" quarantine "$@"; }
in_quarantine() { # NODE: the operations, a line each
    quarantine list "$C/data/$1" --json | jq -r '.quarantine[].operation'
}
# With as much as it keeps, of damaged rows, which nobody is shown.
fill_quarantine() {
    sqlite3 "$C/data/$1/log.db" "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL
        SELECT x+1 FROM c WHERE x<1000) INSERT INTO quarantine(idx, term,
        segment, position, payload_size, bytes, cut_ns)
        SELECT x, 1, 0, 0, 0, x'00', 1 FROM c"
}
has_in_log() { timeout 10 "$RAFTFS" log "$C/data/$1" | grep -q "$2"; }

@test "what was retried is not in quarantine, what was not is, and can be replayed" {
    need_command sqlite3
    cluster_up 3 op_timeout=30
    local old leader id given_up patient node
    lab stop "${NODES[@]}"
    for node in "${NODES[@]}"; do
        fill_quarantine "$node"
    done
    lab start "${NODES[@]}"
    wait_until 20 serves n1
    old=$(leader_name)
    mkdir "$C/$old/d/a" "$C/$old/d/b"
    echo 0123456789abcdef >"$C/$old/d/a/file"
    wait_converged
    exec 7>>"$C/$old/d/a/file"
    lab cut "$old"
    # Both are in its log alone; one caller goes on asking, the other dies.
    background bash -c "echo 'never again' >&7"
    given_up=$!
    background touch "$C/$old/d/b/patient"
    patient=$!
    wait_until 5 has_in_log "$old" patient
    wait_until 5 has_in_log "$old" 'write .* 12'
    kill -9 "$given_up"
    exec 7>&-
    # shellcheck disable=SC2046
    leader=$(leader_name $(others "$old"))
    wait_until 20 serves "$leader"
    lab heal
    wait "$patient"
    wait_converged
    [[ -e $C/$leader/d/b/patient ]]
    [[ $(in_quarantine "$old") == write* ]]
    [[ $(in_quarantine "$leader") == "" ]]

    id=$(quarantine list "$C/data/$old" --json | jq '.quarantine[0].id')
    run quarantine list "$C/$old"
    [[ $output == *" $id "*bash*write* ]]
    run quarantine show "$id" "$C/$old"
    [[ $output == *superseded*instead*"never again"* ]]
    [[ $(quarantine show "$id" "$C/$old" --payload) == "never again" ]]
    quarantine replay "$id" "$C/$old"
    [[ $(in_quarantine "$old") == "" ]]
    wait_converged
    [[ $(tail -n 1 "$C/$leader/d/a/file") == "never again" ]]
    run quarantine show "$id" "$C/$old"
    [[ $status -eq 1 && $output == *"no such record"* ]]
    has_event "$old" quarantine-full
    run has_event "$leader" quarantine-full
    [[ $status -ne 0 ]]
    run quarantine show
    [[ $status -eq 100 ]]
}

@test "a large write in quarantine is listed without its bytes, shown, and replayed" {
    cluster_up 3 op_timeout=3
    local old leader id segment
    old=$(leader_name)
    echo small >"$C/$old/d/file"
    wait_converged
    head -c 1000000 /dev/urandom >"$BATS_TEST_TMPDIR/large"
    exec 7>>"$C/$old/d/file"
    lab cut "$old"
    run bash -c "timeout 20 dd if='$BATS_TEST_TMPDIR/large' bs=1000000 >&7"
    [[ $status -ne 0 ]]
    exec 7>&-
    # shellcheck disable=SC2046
    leader=$(leader_name $(others "$old"))
    wait_until 20 serves "$leader"
    lab heal
    wait_converged
    [[ $(in_quarantine "$old") == write* ]]
    id=$(quarantine list "$C/data/$old" --json | jq '.quarantine[0].id')
    quarantine show "$id" "$C/$old" --payload >"$BATS_TEST_TMPDIR/shown"
    cmp "$BATS_TEST_TMPDIR/large" "$BATS_TEST_TMPDIR/shown"
    # A list needs none of them.
    for segment in "$C/data/$old"/segments/*.seg; do
        cp "$segment" "$BATS_TEST_TMPDIR/${segment##*/}"
        printf damaged | dd of="$segment" bs=1 seek=500000 conv=notrunc status=none
    done
    [[ $(in_quarantine "$old") == write* ]]
    run quarantine show "$id" "$C/$old"
    [[ $status -eq 1 && $output == *"damaged"* ]]
    for segment in "$C/data/$old"/segments/*.seg; do
        dd if="$BATS_TEST_TMPDIR/${segment##*/}" of="$segment" bs=1 skip=500000 \
            seek=500000 count=7 conv=notrunc status=none
    done
    quarantine replay "$id" "$C/$old"
    wait_converged
    (echo small; cat "$BATS_TEST_TMPDIR/large") | cmp - "$C/$leader/d/file"
    [[ $(in_quarantine "$old") == "" ]]
}

mend() { timeout 5 "$RAFTFS" fault "$C/data/$1" mend; }
disk_is() { [[ $(field "$1" space.full) == "$2" ]]; }
lags() { # NODE: it has not what the leader has committed
    (($(field "$1" last) < $(field "$(leader_name)" commit)))
}
grows() { timeout 20 bash -c "echo more >>'$1'" 2>&1; }

@test "a full disk on one node: ENOSPC there, the others go on, it comes back" {
    cluster_up 3
    local leader victim
    leader=$(leader_name)
    victim=$(others "$leader" | head -n 1)
    echo x >"$C/$victim/d/f"
    wait_converged
    fail_point "$victim" disk-full
    wait_until 10 disk_is "$victim" true
    for _ in 1 2 3 4 5; do grows "$C/$leader/d/f"; done
    wait_until 10 lags "$victim"
    has_event "$victim" disk-full
    [[ $(field "$victim" role) == follower ]]
    mend "$victim"
    wait_until 10 disk_is "$victim" ""
    has_event "$victim" disk-room
    wait_converged
    [[ $(wc -l <"$C/$victim/d/f") == 6 ]]
    # One write that fails for lack of space is tried again with the reserve.
    [[ -f $C/data/$victim/reserve ]]
    fail_point "$victim" log-full 1
    grows "$C/$leader/d/f"
    wait_converged
    [[ $(field "$victim" role) == follower ]]
    wait_until 10 disk_is "$victim" ""
    grows "$C/$victim/d/f"
}

refuses() { grows "$1" | grep -q "No space left"; }
leads_not() { has_leader && [[ $(agreed_leader) != "$1" ]]; }

@test "a leader whose disk is full hands over to a node with room" {
    cluster_up 3
    local leader
    leader=$(leader_name)
    fail_point "$leader" disk-full
    wait_until 10 disk_is "$leader" true
    wait_until 15 leads_not "$leader"
    grows "$C/$(leader_name)/d/f"
    mend "$leader"
    wait_converged
}

@test "a real disk that fills up loses nothing" {
    ((EUID == 0)) || skip "only root may mount a small disk"
    cluster_up 3
    local victim disk
    victim=$(others "$(leader_name)" | head -n 1)
    disk=$C/data/$victim
    lab stop "$victim"
    mv "$disk" "$C/kept"
    mkdir "$disk"
    mount -t tmpfs -o size=320m none "$disk" || skip "no small disk here"
    cp -a "$C/kept/." "$disk/"
    lab start "$victim"
    wait_until 20 disk_is "$victim" ""
    dd if=/dev/zero of="$disk/filler" bs=1M 2>/dev/null || true
    wait_until 10 disk_is "$victim" true
    wait_until 10 has_event "$victim" disk-low
    wait_until 10 refuses "$C/$(leader_name)/d/big"
    [[ $(field "$victim" role) == follower ]]
    rm "$disk/filler"
    wait_until 10 disk_is "$victim" ""
    wait_converged
    wait_until 20 grows "$C/$victim/d/big"
    lab stop "$victim"
    umount "$disk"
}

@test "too many open files fail a read, and not the node" {
    need_command prlimit
    cluster_up 3
    local node pid hard
    node=$(others "$(leader_name)" | head -n 1)
    head -c 100000 /dev/urandom >"$C/$node/d/large"
    wait_converged
    lab stop "$node"
    (
        ulimit -Sn 256
        lab start "$node"
    )
    wait_until 20 serves "$node"
    pid=$(node_pid "$node")
    hard=$(prlimit --pid "$pid" --nofile --raw --noheadings -o HARD)
    [[ $(prlimit --pid "$pid" --nofile --raw --noheadings -o SOFT) == "$hard" ]]
    # Not one more; and none of its segments is open yet.
    prlimit --pid "$pid" --nofile=3:"$hard"
    run timeout 10 cat "$C/$node/d/large"
    prlimit --pid "$pid" --nofile="$hard:$hard"
    [[ $status -ne 0 && $output == *"Input/output error"* ]]
    cmp "$C/$node/d/large" "$C/$(leader_name)/d/large"
    serves "$node"
    [[ $(field "$node" role) == follower ]]
}

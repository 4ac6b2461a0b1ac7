#!/usr/bin/env bats
# The conformance suite: every case must pass on the local filesystem, which proves
# the case, and on mounts but for tests/posix/deviations. RAFTFS_TEST_POSIX is a
# piece of a name: only these cases.
load ../lib/cluster

POSIX=$(dirname "$(dirname "$RAFTFS")")/tests/posix/posix

need_posix() {
    [[ -x $POSIX ]] || skip "the program posix was not built"
}

# The cases act as other users, who must be able to walk to their directories.
open_the_way() {
    local dir=$BATS_TEST_TMPDIR
    while [[ $dir == "$BATS_RUN_TMPDIR"* ]]; do
        chmod a+x "$dir"
        dir=${dir%/*}
    done
    [[ -z ${C:-} ]] || chmod a+x "$C"
}

# suite DIRECTORY...
suite() {
    "$POSIX" -d "$ROOT/tests/posix/deviations" \
        -f "${RAFTFS_TEST_POSIX:-}" "$@" >"$BATS_TEST_TMPDIR/said" 2>&1 || {
        cat "$BATS_TEST_TMPDIR/said"
        return 1
    }
    tell "$(tail -n 1 "$BATS_TEST_TMPDIR/said")"
}

@test "all cases pass on the local filesystem" {
    need_posix
    [[ $(stat -f -c %T "$BATS_TEST_TMPDIR") == ext* ]] ||
        skip "$BATS_TEST_TMPDIR is not on ext4"
    open_the_way
    "$POSIX" -f "${RAFTFS_TEST_POSIX:-}" "$BATS_TEST_TMPDIR" >"$BATS_TEST_TMPDIR/said" || {
        cat "$BATS_TEST_TMPDIR/said"
        return 1
    }
    tell "$(tail -n 1 "$BATS_TEST_TMPDIR/said")"
}

@test "all cases pass on each of three nodes" {
    need_posix
    cluster_up 3 allow_other
    open_the_way
    local node leader
    leader=$(leader_name)
    for node in "${NODES[@]}"; do
        tell "$node$([[ $node != "$leader" ]] || echo " leads")"
        suite "$C/$node/d"
        wait_converged
    done
}

@test "all cases pass with their steps spread over three nodes" {
    need_posix
    cluster_up 3 allow_other
    open_the_way
    suite "$C"/n{1,2,3}/d
    wait_converged
}

# Until the file "stop" is there.
leadership_goes_round() {
    local node
    while [[ ! -e $BATS_TEST_TMPDIR/stop ]]; do
        for node in "${NODES[@]}"; do
            "$RAFTFS" transfer "$node" "$C/data/n1" || true
            sleep 0.5
        done
    done
}
n3_leads_and_is_killed() {
    while [[ ! -e $BATS_TEST_TMPDIR/stop ]]; do
        "$RAFTFS" transfer n3 "$C/data/n1" || true
        sleep 0.5
        node_kill n3
        wait_until 20 has_leader n1 n2
        node_start n3
    done
}
disturbed_by() {
    background "$1" >"$BATS_TEST_TMPDIR/disturbed" 2>&1
    DISTURBER=$!
}
disturbed_no_more() {
    touch "$BATS_TEST_TMPDIR/stop"
    wait "$DISTURBER"
    local changes
    changes=$(grep -c 'n[123] leads' "$BATS_TEST_TMPDIR/disturbed")
    tell "$changes changes of the leader"
    ((changes >= 3))
    wait_converged
}

@test "all cases pass while another node leads every half second" {
    need_posix
    cluster_up 3 allow_other,op_timeout=30
    open_the_way
    disturbed_by leadership_goes_round
    suite "$C"/n{1,2,3}/d
    disturbed_no_more
}

@test "cases pass on two nodes while the third one leads, is killed and comes back" {
    need_posix
    cluster_up 3 allow_other,op_timeout=30
    open_the_way
    disturbed_by n3_leads_and_is_killed
    local group groups="open/ rename/ lock/ dir/ unlinked/"
    for group in ${RAFTFS_TEST_POSIX:-$groups}; do
        RAFTFS_TEST_POSIX=$group suite "$C"/n{1,2}/d
    done
    disturbed_no_more
}

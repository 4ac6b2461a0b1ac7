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

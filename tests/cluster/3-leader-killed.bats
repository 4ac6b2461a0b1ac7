#!/usr/bin/env bats
# 3. The leader dies under a tar on a follower: tar does not notice.
load ../lib/cluster

@test "leader killed during tar x on a follower" {
    files=1200
    quick && files=300
    cluster_up 3
    mkdir "$BATS_TEST_TMPDIR/plain"
    (cd /usr/share/doc && find . -type f -size -200k | head -n "$files" |
        tar -cf "$BATS_TEST_TMPDIR/t.tar" -T -)
    tar -C "$BATS_TEST_TMPDIR/plain" -xf "$BATS_TEST_TMPDIR/t.tar"
    half=$(tar -tf "$BATS_TEST_TMPDIR/t.tar" | sed -n "$((files / 2))p")

    leader=$(leader_name)
    # shellcheck disable=SC2046
    set -- $(others "$leader")
    mkdir "$C/$1/d/t"
    # A second writer on the other follower measures how long nobody is served.
    background "$(helper probe)" "$C/$2/d/pulse" "$C/$1/d/pulse" 2000 \
        >"$BATS_TEST_TMPDIR/probe"
    probe=$!
    background tar -C "$C/$1/d/t" -xf "$BATS_TEST_TMPDIR/t.tar"
    tar=$!
    wait_until 120 test -e "$C/$1/d/t/$half"
    node_kill "$leader"
    wait "$tar" # its exit status is the test
    kill "$probe"
    wait "$probe" || { cat "$BATS_TEST_TMPDIR/probe"; false; }
    gap=$(sed 's/.*longest_gap_ms=\([0-9]*\).*/\1/' "$BATS_TEST_TMPDIR/probe")
    tell "time without service: $gap ms"

    diff -r --no-dereference "$BATS_TEST_TMPDIR/plain" "$C/$1/d/t"
    node_start "$leader"
    wait_converged
    same_trees "${NODES[@]}"
}

@test "service is back within five seconds of the leader's death" {
    cluster_up 3
    worst=0
    for _ in 1 2 3; do
        leader=$(leader_name)
        # shellcheck disable=SC2046
        set -- $(others "$leader")
        node_kill "$leader"
        began=$(now_ms)
        serves "$1"
        took=$(($(now_ms) - began))
        worst=$((took > worst ? took : worst))
        node_start "$leader"
        wait_converged
    done
    tell "longest of 3 failovers: $worst ms (goal: under 2000)"
    ((worst < 5000))
}

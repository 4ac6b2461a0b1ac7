#!/usr/bin/env bats
# 2. >> from three nodes never loses or tears a line, whoever dies.
load ../lib/cluster

LINES=1000
quick && LINES=200

all_acked() { acked "$LINES" "${NODES[@]}"; }

@test "three shells append while nothing happens" {
    cluster_up 3
    for node in "${NODES[@]}"; do
        appender "$node" "$LINES"
    done
    wait_until 120 all_acked
    for node in "${NODES[@]}"; do
        check_appends "$C/$node/d/log"
        [[ $(wc -l <"$C/$node/d/log") == $((LINES * 3)) ]]
    done
    wait_converged
}

@test "three shells append while the leader is killed and started again" {
    cluster_up 3 op_timeout=5
    for node in "${NODES[@]}"; do
        appender "$node" "$LINES"
    done
    wait_until 60 acked $((LINES / 5)) "${NODES[@]}"
    leader=$(leader_name)
    tell "killing the leader, $leader"
    node_kill "$leader"
    # shellcheck disable=SC2046
    set -- $(others "$leader")
    at=$(wc -l <"$BATS_TEST_TMPDIR/acks.$1")
    wait_until 20 acked $((at + 20 < LINES ? at + 20 : LINES)) "$1"
    node_start "$leader"
    wait_until 180 all_acked
    for node in "${NODES[@]}"; do
        check_appends "$C/$node/d/log"
        # Every number of every shell got through.
        [[ $(cut -d. -f1 "$C/$node/d/log" | sort -u | wc -l) == $((LINES * 3)) ]]
    done
    wait_converged
    check_leaders
}

@test "appends on one descriptor that was open before the leader died" {
    cluster_up 3 op_timeout=5
    leader=$(leader_name)
    # shellcheck disable=SC2046
    set -- $(others "$leader")
    exec 7>>"$C/$1/d/kept"
    echo before >&7
    node_kill "$leader"
    echo after >&7
    exec 7>&-
    [[ $(cat "$C/$2/d/kept") == $'before\nafter' ]]
}

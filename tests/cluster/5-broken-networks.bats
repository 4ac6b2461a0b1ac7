#!/usr/bin/env bats
# 5. Networks that break in one direction or in one place, and nodes that sleep.
#
# In every case: never two leaders in a term, never an acknowledged write lost,
# and service within five seconds wherever a majority is connected.
load ../lib/cluster

start_load() {
    for node in "${NODES[@]}"; do
        appender "$node" 1000000
    done
    wait_until 20 acked 20 "${NODES[@]}"
}

end_load() {
    lab heal
    wait_until 15 has_leader
    end_background
    wait_converged
    for node in "${NODES[@]}"; do
        check_appends "$C/$node/d/log"
    done
    check_leaders
    same_trees "${NODES[@]}"
}

# All of NODES... are served within five seconds from now.
all_serve() {
    local node began took
    began=$(now_ms)
    for node in "$@"; do
        serves "$node" || fail "$node is not served" || return 1
        took=$(($(now_ms) - began))
        ((took < 5000)) || fail "$node was served after $took ms" || return 1
    done
    tell "$* served after $took ms"
}

# Leader and followers as they are now.
who_is_who() {
    L=$(leader_name)
    # shellcheck disable=SC2046
    set -- $(others "$L")
    F=$1
    G=$2
}

@test "one-way cuts between two nodes: everybody is served" {
    cluster_up 3 op_timeout=6
    start_load
    who_is_who
    lab cut --oneway "$L" "$F" # the follower does not hear its leader
    all_serve "${NODES[@]}"
    lab heal
    who_is_who
    lab cut --oneway "$F" "$L" # the leader does not hear a follower
    all_serve "${NODES[@]}"
    lab heal
    who_is_who
    lab cut --oneway "$F" "$G"
    all_serve "${NODES[@]}"
    end_load
}

@test "a leader that hears all and is heard by none gives way" {
    cluster_up 3 op_timeout=6
    start_load
    who_is_who
    lab cut --oneway "$L" "$F" "$G"
    all_serve "$F" "$G"
    [[ $(agreed_leader "$F" "$G") != "$L" ]]
    end_load
}

@test "a leader that is heard by all and hears none gives way" {
    cluster_up 3 op_timeout=6
    start_load
    who_is_who
    lab cut --oneway "$F" "$L"
    lab cut --oneway "$G" "$L"
    all_serve "$F" "$G"
    [[ $(agreed_leader "$F" "$G") != "$L" ]]
    end_load
}

@test "a chain: n1 and n3 do not see each other, whoever leads" {
    cluster_up 3 op_timeout=6
    start_load
    for pair in "n1 n3" "n1 n2" "n2 n3"; do
        # shellcheck disable=SC2086
        lab cut $pair
        all_serve "${NODES[@]}"
        lab heal
        wait_until 10 has_leader
    done
    end_load
}

@test "a chain whose leader dies elects another one" {
    cluster_up 5 op_timeout=6
    who_is_who
    lab cut "$L" "$F"
    all_serve "${NODES[@]}"
    node_kill "$L"
    # shellcheck disable=SC2046
    all_serve $(others "$L")
    lab heal
    node_start "$L"
    wait_converged
}

@test "a leader that was stopped and wakes up has no say and tells no lie" {
    cluster_up 3 op_timeout=6
    start_load
    who_is_who
    background "$(helper probe)" "$C/$F/d/reg" "$C/$L/d/reg" \
        >"$BATS_TEST_TMPDIR/probe" 2>&1
    probe=$!
    for round in 1 2; do
        wait_until 10 test -s "$C/$L/d/reg"
        node_pause "$L"
        all_serve "$F" "$G"
        [[ $(agreed_leader "$F" "$G") != "$L" ]]
        node_resume "$L"
        all_serve "${NODES[@]}"
        wait_until 10 has_leader
        if [[ $(agreed_leader) != "$G" ]]; then
            break
        fi
    done
    kill "$probe"
    wait "$probe" || { cat "$BATS_TEST_TMPDIR/probe"; false; }
    end_load
}

@test "cuts that come and go at random" {
    cluster_up 3 op_timeout=4
    rounds=12
    quick && rounds=4
    RANDOM=${RAFTFS_TEST_SEED:-$((BATS_TEST_NUMBER + $$))}
    tell "seed ${RAFTFS_TEST_SEED:-$((BATS_TEST_NUMBER + $$))}"
    start_load
    for ((round = 0; round < rounds; round++)); do
        a=n$((RANDOM % 3 + 1))
        b=n$((RANDOM % 3 + 1))
        [[ $a != "$b" ]] || continue
        case $((RANDOM % 4)) in
        0) lab cut "$a" ;;
        1) lab cut "$a" "$b" ;;
        2) lab cut --oneway "$a" "$b" ;;
        3) node_pause "$a" ;;
        esac
        # As long as the others need to make thirty more lines.
        c=$(others "$a" "$b" | head -n 1)
        at=$(wc -l <"$BATS_TEST_TMPDIR/acks.$c")
        wait_until 20 acked $((at + 30)) "$c"
        node_resume "$a"
        lab heal
    done
    end_load
}

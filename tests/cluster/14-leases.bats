#!/usr/bin/env bats
# 14. Read leases: every node answers from its own tree, and never stale.
load ../lib/cluster

setup_leases() {
    cluster_up 3 op_timeout=6,reads=lease
    L=$(leader_name)
    # shellcheck disable=SC2046
    set -- $(others "$L")
    F=$1
    G=$2
    wait_until 10 holds "$F" "$G"
}

holds() {
    local node
    for node in "$@"; do
        [[ $(field "$node" lease) == true ]] || return 1
    done
}
# has_holders COUNT [NODE...]: so many, says the leader of these nodes.
has_holders() {
    local count=$1
    shift
    [[ $(field "$(agreed_leader "$@")" lease_holders) == "$count" ]]
}

# start_probe NAME WRITER READER [--names]: watches a file of its own, and names,
# through two mounts.
PROBES=()
start_probe() {
    background "$(helper probe)" ${4:+"$4"} "$C/$2/d/$1" "$C/$3/d/$1" \
        >"$BATS_TEST_TMPDIR/probe.$1" 2>&1
    PROBES+=("$!")
    wait_until 10 test -s "$C/$2/d/$1"
}
end_probes() {
    local probe
    for probe in "${PROBES[@]}"; do
        kill "$probe"
        wait "$probe" || { cat "$BATS_TEST_TMPDIR"/probe.*; return 1; }
    done
    tell "$(tail -qn 1 "$BATS_TEST_TMPDIR"/probe.*)"
    PROBES=()
    if grep -E ' (open_read|kept_fd|stat|readlink|getxattr|readdir|dotdot)=0 ' \
        "$BATS_TEST_TMPDIR"/probe.*; then
        fail "a reader has read nothing"
    fi
}
gap_of() { grep -o 'longest_gap_ms=[0-9]*' "$BATS_TEST_TMPDIR/probe.$1" | cut -d= -f2; }

written() { cat "$C/$1/d/$2" 2>/dev/null || true; }
# As long as WRITER's probe needs for some more writes.
more_writes() {
    local from
    from=$(written "$1" "$2")
    wait_until 20 more_than "$1" "$2" "${from:-0}"
}
more_than() { ((10#$(written "$1" "$2") > 10#$3 + 20)); }

@test "a follower reads without asking, and sees each change at once" {
    setup_leases
    before=$(field "$F" counters.reads_at_once)
    for i in $(seq 50); do
        echo "$i" >"$C/$L/d/file"
        [[ $(cat "$C/$F/d/file") == "$i" ]]
        mkdir "$C/$G/d/dir$i"
        [[ -d $C/$F/d/dir$i && -d $C/$L/d/dir$i ]]
        mv "$C/$F/d/dir$i" "$C/$F/d/moved$i"
        [[ -d $C/$G/d/moved$i && ! -e $C/$L/d/dir$i ]]
        ln "$C/$G/d/file" "$C/$G/d/link$i"
        [[ $(stat -c %h "$C/$F/d/file") == $((i + 1)) ]]
    done
    for i in $(seq 50); do
        rm "$C/$L/d/link$i"
        [[ $(stat -c %h "$C/$F/d/file") == $((51 - i)) ]]
        rmdir "$C/$F/d/moved$i"
        [[ ! -e $C/$G/d/moved$i ]]
    done
    (($(field "$F" counters.reads_at_once) > before + 100))
    same_trees "${NODES[@]}"
}

@test "no read is stale while nodes are cut off, killed and stopped" {
    setup_leases
    start_probe one "$L" "$F" --names
    start_probe two "$F" "$G" --names
    start_probe three "$G" "$L" --names
    rounds=2
    quick && rounds=1
    for ((round = 0; round < rounds; round++)); do
        lab cut "$F"
        more_writes "$G" three
        lab heal
        more_writes "$F" two
        lab cut --oneway "$L" "$G"
        more_writes "$L" one
        lab heal
        node_pause "$G"
        more_writes "$L" one
        node_resume "$G"
        more_writes "$G" three
        old=$(leader_name)
        node_pause "$old" # a leader: it wakes up believing
        # shellcheck disable=SC2046
        wait_until 10 has_leader $(others "$old")
        node_resume "$old"
        wait_until 10 has_leader
        more_writes "$F" two
        node_kill "$F"
        more_writes "$G" three
        node_start "$F"
        more_writes "$F" two
    done
    end_probes
    wait_until 10 has_leader
    wait_until 10 has_holders 2
    wait_converged
    same_trees "${NODES[@]}"
}

@test "what waits for a majority is not read on its own node either" {
    setup_leases
    local said seen=0 node
    printf old >"$C/$L/d/file"
    exec 6<>"$C/$L/d/file"
    [[ $(cat "$C/$L/d/file") == old ]]
    lab cut "$L"
    background sh -c 'printf new >&6'
    # While its lease lasts, the old leader reads.
    while said=$(timeout 0.3 cat "$C/$L/d/file" 2>/dev/null); do
        [[ $said == old ]]
        seen=$((seen + 1))
    done
    ((seen > 0))
    node_kill "$L"
    exec 6>&-
    wait_until 10 has_leader "$F" "$G"
    for node in "$F" "$G"; do
        [[ $(cat "$C/$node/d/file") == old ]]
    done
}

looks_or_follows() {
    has_looked_since "$L" "$1" || [[ $(field "$L" term) != "$TERM_BEFORE" ]]
}

# Writers wait until its lease has run out, and for nothing after that: no later commit
# waits for a holder. How long that takes is this machine's business: in the time of the
# core alone it is core/a_dead_holder_costs_one_lease_time_once.
costs_one_lease() {
    local gated looks
    more_writes "$L" one
    wait_until 20 has_holders 1 "$L" "$G" # and the others go on
    gated=$(field "$L" counters.commits_gated)
    looks=$(looks "$L")
    # More than three times as long: a second one would be seen.
    wait_until 20 looks_or_follows "$((looks + 2))"
    more_writes "$L" one
    kill "${PROBES[0]}"
    wait "${PROBES[0]}"
    tell "$1: writers waited at most $(gap_of one) ms"
    # An election, if the machine stood still, has ended all leases of that term.
    if [[ $(field "$L" term) == "$TERM_BEFORE" ]]; then
        (($(field "$L" counters.leases_ended) > ENDED_BEFORE))
        (($(field "$L" counters.commits_gated) == gated))
    fi
}

@test "a holder that dies costs writers one lease time, once" {
    setup_leases
    start_probe one "$L" "$G"
    TERM_BEFORE=$(field "$L" term)
    ENDED_BEFORE=$(field "$L" counters.leases_ended)
    node_kill "$F"
    costs_one_lease killed
}

@test "a holder that stands still costs writers one lease time, once" {
    setup_leases
    start_probe one "$L" "$G"
    TERM_BEFORE=$(field "$L" term)
    ENDED_BEFORE=$(field "$L" counters.leases_ended)
    node_pause "$F"
    costs_one_lease stopped
    node_resume "$F"
    wait_until 10 has_holders 2
    [[ $(cat "$C/$F/d/one") == "$(cat "$C/$L/d/one")" ]]
}

@test "a holder that is stopped gives its lease up: writers do not wait for it" {
    local ended way
    setup_leases
    for way in stop umount; do
        wait_until 10 has_holders 2
        ended=$(field "$L" counters.leases_ended)
        start_probe one "$L" "$G"
        more_writes "$L" one
        if [[ $way == stop ]]; then
            lab stop "$F"
        else
            umount "$C/$F"
            wait_until 10 gone "$(node_pid "$F")"
        fi
        more_writes "$L" one
        wait_until 10 has_holders 1 "$L" "$G"
        more_writes "$L" one
        end_probes
        [[ $(field "$L" counters.leases_ended) == "$ended" ]]
        [[ $(leader_name "$L" "$G") == "$L" ]]
        lab start "$F"
    done
}

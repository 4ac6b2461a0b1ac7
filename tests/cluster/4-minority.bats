#!/usr/bin/env bats
# 4. A leader in a minority: it refuses, does not lie, and comes back quietly.
load ../lib/cluster

setup_split() {
    cluster_up 3 op_timeout=3
    OLD=$(leader_name)
    # shellcheck disable=SC2046
    set -- $(others "$OLD")
    A=$1
    B=$2
}
new_leader() {
    has_leader "$A" "$B" && [[ $(agreed_leader "$A" "$B") != "$OLD" ]]
}

all_undone() { # by whoever was the old leader
    local node sum=0
    for node in "${NODES[@]}"; do
        sum=$((sum + $(field "$node" counters.records_undone)))
    done
    echo "$sum"
}

append_to_open_file() { echo lost >&7; }

@test "the old leader refuses in time, the majority goes on, nothing is lost" {
    setup_split
    echo before >"$C/$OLD/d/kept"
    exec 7>>"$C/$OLD/d/open"
    old_term=$(field "$OLD" term)
    # Keeps writing while it is cut off: into its own log, nowhere else.
    appender "$OLD" 1000000
    wait_until 20 acked 20 "$OLD"
    lab cut "$OLD"
    wait_until 10 new_leader
    (($(field "$A" term) > old_term))
    echo majority >"$C/$A/d/majority"
    echo after >"$C/$B/d/kept"

    # It has stepped down meanwhile: certainly not done is EROFS.
    began=$(now_ms)
    run append_to_open_file
    [[ $status != 0 && $output == *"Read-only file system"* ]]
    (($(now_ms) - began <= 4500))
    exec 7>&-
    # It has waited for everybody: who comes now hears of it soon.
    began=$(now_ms)
    run mkdir "$C/$OLD/d/lost"
    [[ $status != 0 ]]
    [[ $output =~ "Read-only file system"|"Connection timed out" ]]
    (($(now_ms) - began <= 1500))
    run cat "$C/$OLD/d/kept"
    [[ $status != 0 || $output == after ]]
    [[ -n $(field "$OLD" why) ]]
    end_background

    term=$(field "$A" term)
    leader=$(agreed_leader "$A" "$B")
    lab heal
    wait_converged
    # Pre-vote: who comes back disturbs nobody.
    [[ $(field "$A" term) == "$term" ]]
    [[ $(agreed_leader) == "$leader" ]]
    for node in "${NODES[@]}"; do
        [[ $(cat "$C/$node/d/majority") == majority ]]
        [[ $(cat "$C/$node/d/kept") == after ]]
        [[ ! -e $C/$node/d/lost ]]
        [[ ! -s $C/$node/d/open ]]
        check_appends "$C/$node/d/log"
    done
    # On a slow machine it had begun nothing before it stepped down, or that had
    # reached the others just before the cut: then once more.
    for _ in 1 2 3 4 5; do
        (($(all_undone) == 0)) || break
        OLD=$(leader_name)
        lab cut "$OLD"
        background timeout 20 bash -c "echo lost >'$C/$OLD/d/own'"
        # shellcheck disable=SC2046
        wait_until 10 has_leader $(others "$OLD")
        lab heal
        end_background
        wait_converged
    done
    tell "$(all_undone) records were undone"
    (($(all_undone) >= 1))
    same_trees "${NODES[@]}"
    # And the mount that was cut off works again, without a remount.
    echo again >"$C/$OLD/d/again"
    [[ $(cat "$C/$A/d/again") == again ]]
}

# One program: how long its call took, in ms, and what it said.
timed() {
    local began said
    began=$(now_ms)
    said=$("$@" 2>&1) || true
    echo "$(($(now_ms) - began)) $said"
}

knows_a_leader() { [[ -n $(cat "$C/$OLD/.raftfs/leader") ]]; }

@test "programs that want the same names each wait op_timeout, not for each other" {
    setup_split
    mkdir -p "$C/$OLD/d/deep/er"
    echo x >"$C/$OLD/d/deep/er/file"
    lab cut "$OLD"
    wait_until 10 new_leader
    local i pids=() out=$BATS_TEST_TMPDIR/out
    for i in 1 2 3 4; do
        background timed stat "$C/$OLD/d/deep/er/file" >"$out.known$i"
        pids+=("$!")
        background timed stat "$C/$OLD/d/deep/er/unknown" >"$out.unknown$i"
        pids+=("$!")
        background timed mkdir "$C/$OLD/d/deep/new$i" >"$out.new$i"
        pids+=("$!")
    done
    wait "${pids[@]}"
    cat "$out".*
    for i in "$out".*; do
        grep -qE "Connection timed out|Read-only file system" "$i"
        (($(cut -d' ' -f1 "$i") <= 4500))
    done
    # A call that comes when a leader is there again succeeds. (One that comes
    # before, right behind those that gave up, has no patience: decision 0014.)
    lab heal
    wait_until 10 knows_a_leader
    [[ $(cat "$C/$OLD/d/deep/er/file") == x ]]
    mkdir "$C/$OLD/d/deep/new"
}

@test "no read on the old leader misses what the majority has written" {
    setup_split
    probe=$(helper probe)
    background "$probe" "$C/$A/d/reg" "$C/$OLD/d/reg" >"$BATS_TEST_TMPDIR/1" 2>&1
    one=$!
    background "$probe" "$C/$B/d/reg2" "$C/$OLD/d/reg2" >"$BATS_TEST_TMPDIR/2" 2>&1
    two=$!
    wait_until 10 test -s "$C/$OLD/d/reg2"
    for round in 1 2; do
        lab cut "$OLD"
        wait_until 10 new_leader
        serves "$A"
        # Long enough that reads on the old leader come after many writes.
        index=$(field "$A" applied)
        written() { (($(field "$A" applied) > index + 100)); }
        wait_until 10 written
        lab heal
        wait_converged_but_busy
        if [[ $round == 1 ]]; then
            # The other way round: a follower is cut off from the writers.
            OLD=$(agreed_leader)
            # shellcheck disable=SC2046
            set -- $(others "$OLD")
            A=$1
            B=$2
        fi
    done
    kill "$one" "$two"
    wait "$one" || { cat "$BATS_TEST_TMPDIR/1"; false; }
    wait "$two" || { cat "$BATS_TEST_TMPDIR/2"; false; }
    tell "$(cat "$BATS_TEST_TMPDIR/1")"
    wait_converged
}
# While somebody writes, equality at one moment cannot be asked for.
wait_converged_but_busy() {
    wait_until 15 has_leader
    for node in "${NODES[@]}"; do
        wait_until 15 serves "$node"
    done
}

@test "a follower that was cut off and comes back changes neither term nor leader" {
    cluster_up 3 op_timeout=3
    leader=$(leader_name)
    term=$(field "$leader" term)
    # shellcheck disable=SC2046
    set -- $(others "$leader")
    lab cut "$1"
    knows_no_leader() { [[ -z $(field "$1" leader) ]]; }
    wait_until 15 knows_no_leader "$1"
    echo x >"$C/$2/d/x"
    lab heal
    wait_until 15 has_leader
    wait_converged
    [[ $(agreed_leader) == "$leader" ]]
    [[ $(field "$leader" term) == "$term" ]]
    [[ $(cat "$C/$1/d/x") == x ]]
}

@test "without a majority reads=local still reads, and says nothing it cannot know" {
    cluster_up 3 op_timeout=2,reads=local
    echo text >"$C/n1/d/file"
    wait_converged
    node_kill n2 n3
    [[ $(timeout 2 cat "$C/n1/d/file") == text ]]
    run touch "$C/n1/d/new"
    [[ $output =~ "Read-only file system"|"Connection timed out" ]]
}

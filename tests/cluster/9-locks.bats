#!/usr/bin/env bats
# flock(2) and fcntl(2) locks hold across nodes, and end with their holder.
load ../lib/cluster

setup() { LOCKER=$(helper locker); }

# out NAME: what a background locker has said so far.
out() { cat "$BATS_TEST_TMPDIR/$1" 2>/dev/null; }
said() { grep -q -- "$2" "$BATS_TEST_TMPDIR/$1" 2>/dev/null; }
# locker NAME ARG...: in the background, its words in the file NAME; pid in $!
locker() {
    local name=$1
    shift
    background "$LOCKER" "$@" >"$BATS_TEST_TMPDIR/$name"
}
waiters() { # NODE COUNT
    [[ $("$RAFTFS" locks "$C/data/$1" --json |
        jq '[.locks[] | select(.waits)] | length') == "$2" ]]
}

flock_counter() {
    local i n
    for ((i = 0; i < $2; i++)); do
        (
            flock 9 || exit 1
            read -r n <"$1"
            echo $((n + 1)) >"$1"
        ) 9<"$1" || return 1
    done
}

@test "a counter under flock from three nodes misses nothing" {
    need_command flock
    cluster_up 3
    echo 0 >"$C/n1/d/counter"
    pids=()
    for n in n1 n2 n3; do
        background flock_counter "$C/$n/d/counter" 50
        pids+=("$!")
    done
    wait "${pids[@]}"
    [[ $(cat "$C/n2/d/counter") == 150 ]]
    wait_converged
}

has_counted() { ((10#0$(cat "$1") >= $2)); }

@test "a counter under fcntl locks from three nodes misses nothing, also while the leader is killed" {
    cluster_up 3
    echo 0 >"$C/n1/d/counter"
    leader=$(leader_name)
    # shellcheck disable=SC2046
    set -- $(others "$leader")
    locker one count "$C/$1/d/counter" 150
    one=$!
    locker two count "$C/$2/d/counter" 150
    two=$!
    wait_until 20 has_counted "$C/$1/d/counter" 20
    node_kill "$leader"
    wait "$one" || fail "$1: $(out one)"
    wait "$two" || fail "$2: $(out two)"
    [[ $(cat "$C/$1/d/counter") == 300 ]]
}

@test "ranges: what is taken away is free for other nodes" {
    cluster_up 3
    echo x >"$C/n1/d/f"
    locker split split "$C/n1/d/f"
    wait_until 10 said split held
    [[ $("$LOCKER" test "$C/n2/d/f") == "0-9 0, 10-19 1, 20- 0" ]]
    kill -9 $!
    wait_until 5 test "$("$LOCKER" test "$C/n3/d/f")" = "0-9 1, 10-19 1, 20- 1"
}

@test "who waits gets the lock when the holder is killed" {
    cluster_up 3
    echo x >"$C/n1/d/f"
    for kind in fcntl flock; do
        locker hold hold "$C/n1/d/f" $kind
        holder=$!
        wait_until 10 said hold held
        locker wait wait "$C/n2/d/f" $kind
        waiter=$!
        wait_until 10 waiters n3 1
        kill -9 "$holder"
        wait "$waiter" || fail "$(out wait)"
        [[ $(out wait) == got ]]
    done
}

@test "a wait is interrupted at once, and leaves nothing behind" {
    cluster_up 3
    echo x >"$C/n1/d/f"
    locker hold hold "$C/n1/d/f"
    wait_until 10 said hold held
    for signal in USR1 KILL; do
        locker wait wait "$C/n2/d/f"
        waiter=$!
        wait_until 10 waiters n2 1
        before=$(now_ms)
        kill -$signal "$waiter"
        wait "$waiter" && false
        (($(now_ms) - before < 1000))
        [[ $signal == KILL ]] || [[ $(out wait) == "lock: EINTR" ]]
        wait_until 5 waiters n1 0
    done
}

@test "a circle of waits over two nodes is refused" {
    cluster_up 3
    echo x >"$C/n1/d/f"
    echo x >"$C/n1/d/g"
    locker one deadlock "$C/n1/d/f" "$C/n1/d/g"
    one=$!
    locker two deadlock "$C/n2/d/g" "$C/n2/d/f"
    two=$!
    wait_until 10 said one held
    wait_until 10 said two held
    kill -USR1 "$one"
    wait_until 10 waiters n3 1
    kill -USR1 "$two"
    wait_until 10 said two "lock: EDEADLK"
    wait_until 10 said one got # the other has ended
}

# A session ends 2 seconds after its node was heard of last.
short_sessions() { configure session_timeout_ms 2000; }

@test "a node that dies with a lock does not keep it" {
    cluster_up 3
    short_sessions
    wait_until 20 serves n1
    echo x >"$C/n1/d/f"
    locker hold hold "$C/n3/d/f"
    wait_until 20 said hold held
    locker wait wait "$C/n1/d/f"
    waiter=$!
    wait_until 10 waiters n1 1
    node_kill n3
    wait_until 20 said wait got
    wait "$waiter"
}

@test "a holder whose node was away cannot write any more" {
    cluster_up 3
    short_sessions
    wait_until 20 serves n1
    echo x >"$C/n1/d/f"
    leader=$(leader_name)
    # shellcheck disable=SC2046
    set -- $(others "$leader")
    locker hold hold "$C/$1/d/f"
    holder=$!
    wait_until 20 said hold held
    node_pause "$1"
    locker wait wait "$C/$2/d/f"
    wait_until 20 said wait got
    node_resume "$1"
    wait_until 20 serves "$1"
    kill -USR1 "$holder"
    wait_until 10 said hold "write: EIO"
    wait_until 10 said hold "ftruncate: EIO"
    wait_until 10 said hold "fallocate: EIO"
    [[ $(cat "$C/$2/d/f") == x ]]
    # After a new open it is a program like any other.
    kill -9 "$holder"
    wait_until 10 bash -c "echo new >'$C/$1/d/f'"
    [[ $(cat "$C/$2/d/f") == new ]]
}

@test "a lock that is broken goes to who waits, and its holder cannot write" {
    local holder id
    cluster_up 3
    echo x >"$C/n1/d/f"
    locker hold hold "$C/n1/d/f"
    holder=$!
    wait_until 20 said hold held
    locker wait wait "$C/n2/d/f"
    wait_until 10 waiters n3 1
    id=$("$RAFTFS" locks "$C/n3" --json |
        jq '.locks[] | select(.waits | not) | .id')
    run timeout 10 "$RAFTFS" locks break 999999 "$C/n3"
    [[ $status -eq 1 && $output == *"no such lock"* ]]
    run timeout 10 "$RAFTFS" locks break
    [[ $status -eq 100 ]]
    timeout 20 "$RAFTFS" locks break "$id" "$C/n3"
    wait_until 10 said wait got
    wait_until 10 bash -c "'$RAFTFS' events '$C/n1' | grep -q lock-lost"
    kill -USR1 "$holder"
    wait_until 10 said hold "write: EIO"
    [[ $(cat "$C/n2/d/f") == x ]]
    timeout 10 "$RAFTFS" log "$C/n1" | grep -q "lock-break $id of"
    kill -9 "$holder"
    wait_until 10 bash -c "echo new >'$C/n1/d/f'"
    [[ $(cat "$C/n2/d/f") == new ]]
}

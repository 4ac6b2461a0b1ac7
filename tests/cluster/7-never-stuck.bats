#!/usr/bin/env bats
# 7. Nobody waits for ever: a killed program goes, df and ls answer.
load ../lib/cluster

# n1 alone of three; operations on its mount wait for 20 seconds, reads too as soon
# as its lease has run out.
alone() {
    cluster_up 3 op_timeout=20
    echo text >"$C/n1/d/file"
    node_kill n2 n3
    wait_until 10 has_no_lease n1
}
has_no_lease() { [[ $(field "$1" lease) != true ]]; }

# The process sleeps in the kernel, waiting for its file system.
waits_in_fuse() {
    grep -qE 'fuse|request_wait' "/proc/$1/wchan" "/proc/$1/stack" 2>/dev/null ||
        [[ $(field n1 'waiting.requests') -gt 0 ]]
}

# Starts COMMAND..., waits until it waits, kills it, and measures.
dies_at_once() {
    local pid began
    "$@" 3>&- 4>&- >/dev/null 2>&1 </dev/null &
    pid=$!
    BACKGROUND+=("$pid")
    wait_until 5 waits_in_fuse "$pid"
    began=$(now_ms)
    kill -9 "$pid"
    wait_until 3 gone "$pid"
    took=$(($(now_ms) - began))
    tell "$1 ${*: -1:1} was gone after $took ms"
    ((took < 1000))
}

@test "a program killed while its call waits for a majority is gone in a second" {
    alone
    append() { exec sh -c "exec >>'$C/n1/d/log'; echo line"; }
    dies_at_once mkdir "$C/n1/d/new"
    dies_at_once append
    dies_at_once touch "$C/n1/d/new2"
    dies_at_once mv "$C/n1/d/file" "$C/n1/d/moved"
    dies_at_once rm -f "$C/n1/d/file"
    dies_at_once ln -s x "$C/n1/d/symlink"
    dies_at_once truncate -s 5 "$C/n1/d/file"
    dies_at_once cat "$C/n1/d/file"
    dies_at_once ls -l "$C/n1/d"
}

@test "a write on an open descriptor is interrupted too" {
    cluster_up 3 op_timeout=20
    mkfifo "$BATS_TEST_TMPDIR/go"
    writer() { exec sh -c "exec 9>'$C/n1/d/open'; read x <'$BATS_TEST_TMPDIR/go'
        while :; do echo line >&9; done"; }
    writer 3>&- 4>&- &
    pid=$!
    BACKGROUND+=("$pid")
    wait_until 5 test -e "$C/n1/d/open"
    echo go >"$BATS_TEST_TMPDIR/go"
    node_kill n2 n3
    wait_until 5 waits_in_fuse "$pid"
    began=$(now_ms)
    kill -9 "$pid"
    wait_until 3 gone "$pid"
    (($(now_ms) - began < 1000))
}

@test "df, ls of the parent, and .raftfs answer without a majority" {
    cluster_up 3 op_timeout=20
    lab stop n2 n3 # so that ls meets no dead mounts
    for _ in 1 2 3; do
        timeout 2 df "$C/n1"
        timeout 2 ls -l "$C"
        timeout 2 stat "$C/n1"
        timeout 2 cat "$C/n1/.raftfs/status" | jq -e '.name == "n1"'
        timeout 2 mountpoint "$C/n1"
    done
    # The same while a program waits.
    background mkdir "$C/n1/d/waiting"
    wait_until 5 waits_in_fuse "$!"
    timeout 2 df "$C/n1"
    timeout 2 ls -l "$C"
    timeout 2 cat "$C/n1/.raftfs/leader"
}

@test "a stopped node's mount does not stop ls and df elsewhere" {
    cluster_up 3
    leader=$(leader_name)
    # shellcheck disable=SC2046
    set -- $(others "$leader")
    node_pause "$1"
    timeout 8 ls -l "$C/$2/d"
    timeout 2 df "$C/$2"
    node_resume "$1"
    timeout 8 ls -l "$C/$1/d"
}

@test "what waits goes on by itself when the majority is back" {
    alone
    background mkdir "$C/n1/d/patient"
    pid=$!
    wait_until 5 waits_in_fuse "$pid"
    node_start n2
    wait "$pid"
    [[ -d $C/n2/d/patient ]]
}

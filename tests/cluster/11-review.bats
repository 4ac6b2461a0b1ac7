#!/usr/bin/env bats
# What a hostile reader of the daemon's code asked for.

load ../lib/cluster

# A node started by hand, whose exit status we get.
node_by_hand() {
    node_kill "$1"
    wait_until 10 gone "$(node_pid "$1")"
    umount -l "$C/$1" 2>/dev/null || fusermount3 -uz "$C/$1" 2>/dev/null || true
    background "$RAFTFS" mount "$C/data/$1" "$C/$1" -f >>"$(node_log "$1")" 2>&1
}

longer_than() { (($(stat -c %s "$2" 2>/dev/null || echo 0) > $1)); }

@test "a node that is stopped while it writes ends with 0, not with SIGABRT" {
    cluster_up 3
    local i node=n1 pid writer size
    for i in 1 2 3 4 5 6; do
        node_by_hand "$node"
        pid=$!
        wait_until 20 serves "$node"
        size=$(stat -c %s "$C/$node/d/w" 2>/dev/null || echo 0)
        background bash -c "while echo x >>'$C/$node/d/w'; do :; done" \
            >/dev/null 2>&1
        writer=$!
        wait_until 10 longer_than "$size" "$C/$node/d/w"
        kill -TERM "$pid"
        wait "$pid"
        kill -9 "$writer" 2>/dev/null || true
    done
}

waits() { (($(field "$1" waiting.commands) >= 1)); }

# A write that waits for the majority when its node is told to stop. One call and no
# other: dd does not look at its output first, as echo does.
write_and_stop() {
    local pid fd
    pid=$(node_pid "$1")
    exec {fd}>>"$C/$1/d/file"
    # shellcheck disable=SC2046
    node_pause $(others "$1")
    echo under way >"$BATS_TEST_TMPDIR/text"
    background dd if="$BATS_TEST_TMPDIR/text" bs=64 count=1 status=none >&"$fd" \
        2>"$BATS_TEST_TMPDIR/said"
    writer=$!
    exec {fd}>&-
    wait_until 10 waits "$1"
    kill -TERM "$pid"
    wait_until 10 grep -q "signal number=15" "$(node_log "$1")"
}

@test "what is under way when a node is stopped is answered" {
    cluster_up 3
    configure election_ms 4000 # a pause is no change of leader
    local leader node writer pid
    leader=$(leader_name)
    node=$(others "$leader" | head -n 1)
    wait_until 20 serves "$node"
    pid=$(node_pid "$node")
    write_and_stop "$node"
    # shellcheck disable=SC2046
    node_resume $(others "$node")
    # Its close(2) may come too late for the node.
    wait "$writer" || ! grep -q "error writing" "$BATS_TEST_TMPDIR/said"
    wait_until 10 gone "$pid"
    [[ $(cat "$C/$leader/d/file") == "under way" ]]
}

@test "a node that is stopped without a majority does not wait for it" {
    cluster_up 3
    local writer pid
    pid=$(node_pid n1)
    write_and_stop n1
    wait_until 10 gone "$pid"
    if wait "$writer"; then
        fail "the write succeeded without a majority"
    fi
    cat "$BATS_TEST_TMPDIR/said"
    # The call that waited, or the next one of the program, which nobody took.
    grep -E "Input/output error|endpoint is not connected|connection abort" \
        "$BATS_TEST_TMPDIR/said"
}

@test "a node that has taken itself out of service says EIO at once" {
    cluster_up 3
    local file=$C/n1/d/big segment began
    dd if=/dev/urandom of="$file" bs=1M count=2 status=none
    wait_converged
    # The machine lies: bytes that were synced are gone.
    for segment in "$C"/data/n3/segments/*.seg; do
        truncate -s 0 "$segment"
    done
    run cat "$C/n3/d/big"
    [[ $output == *"Input/output error"* ]]
    began=$(now_ms)
    run touch "$C/n3/d/new"
    [[ $status -ne 0 && $output == *"Input/output error"* ]]
    run ls "$C/n3/d"
    [[ $status -ne 0 && $output == *"Input/output error"* ]]
    (($(now_ms) - began < 3000))
    [[ $(field n3 role) == faulted ]]
    grep -q " fault [a-z-]*-failed \| fault out-of-service " "$C/n3/.raftfs/errors"
    df "$C/n3" >/dev/null
    serves n1
    serves n2
}

@test "more writers than fit wait for the majority, and none gets EAGAIN" {
    cluster_up 3 op_timeout=60
    local i fd fds=() pids=() failed=0
    for ((i = 0; i < 90; i++)); do
        exec {fd}>"$C/n3/d/w$i"
        fds+=("$fd")
    done
    lab cut n3
    for fd in "${fds[@]}"; do
        background dd if=/dev/zero bs=1M count=1 status=none \
            1>&"$fd" 2>>"$BATS_TEST_TMPDIR/dd"
        pids+=("$!")
    done
    wait_until 10 eval '(($(node_status n3 | jq .waiting.requests) >= 90))'
    lab heal
    for i in "${pids[@]}"; do
        wait "$i" || failed=$((failed + 1))
    done
    for fd in "${fds[@]}"; do
        exec {fd}>&-
    done
    cat "$BATS_TEST_TMPDIR/dd"
    [[ $failed -eq 0 ]]
}

# said_by_others NODE TEXT: in the log of a node but this one.
said_by_others() {
    local node
    for node in $(others "$1"); do
        grep -q "$2" "$(node_log "$node")" && return 0
    done
    return 1
}

@test "an unlinked file survives that the leader was paused" {
    cluster_up 3
    configure session_timeout_ms 2000
    local leader heir node looks
    leader=$(leader_name)
    node=$(others "$leader" | head -n 1)
    exec 7<>"$C/$node/d/gone"
    echo still here >&7
    rm "$C/$node/d/gone"
    wait_until 20 serves "$node"
    node_pause "$leader"
    wait_until 20 said_by_others "$leader" " session-timed-out .*node=$leader"
    node_resume "$leader"
    wait_converged
    heir=$(leader_name)
    looks=$(looks "$heir")
    wait_until 20 has_looked_since "$heir" "$((looks + 2))"
    [[ $(cat "/proc/$BASHPID/fd/7") == "still here" ]]
    exec 7>&-
    ! grep -h " session-timed-out " "$(node_log n1)" "$(node_log n2)" \
        "$(node_log n3)" | grep -v "node=$leader\\b" | grep .
}

inodes() { [[ $(field "$1" space.inodes) == "$2" ]]; }

@test "of a thousand files that are removed those stay that are open anywhere" {
    cluster_up 3
    local node fd before fds=()
    before=$(field n1 space.inodes)
    seq -f "$C/n1/d/%g" 1000 | xargs touch
    for node in n1 n2 n3; do
        exec {fd}<"$C/$node/d/7${node#n}"
        fds+=("$fd")
    done
    rm "$C"/n2/d/*
    for node in n1 n2 n3; do
        wait_until 30 inodes "$node" "$((before + 3))"
    done
    for fd in "${fds[@]}"; do
        [[ $(stat -L -c %h "/proc/$BASHPID/fd/$fd") == 0 ]]
        exec {fd}<&-
    done
    wait_until 30 inodes n3 "$before"
}

@test "a second process on one data directory is refused, the first goes on" {
    cluster_up 3
    mkdir "$C/other"
    run timeout 20 "$RAFTFS" mount "$C/data/n2" "$C/other"
    [[ $status -eq 111 ]]
    [[ $output == *"in use"* ]]
    serves n2
    [[ -n $(field n2 leader) ]]
}

@test "a node starts with closed descriptors and leaves its folder alone" {
    cluster_up 3
    local pid
    node_kill n2
    wait_until 10 gone "$(node_pid n2)"
    umount -l "$C/n2" 2>/dev/null || true
    mkdir "$C/folder"
    (cd "$C/folder" && "$RAFTFS" mount ../data/n2 ../n2 <&- >&- 2>&- 3>&-)
    pid=$(field n2 pid)
    echo "$pid" >"$C/run/n2.pid"
    serves n2
    [[ $(readlink "/proc/$pid/cwd") == / ]]
    [[ $(readlink "/proc/$pid/fd/2") == /dev/null ]]
    kill "$pid"
    wait_until 10 gone "$pid"
}

# Nobody else changes a digest; the same change on two nodes makes them agree.
spoil_digest() {
    sqlite3 "$C/data/$1/tree.db" "UPDATE meta SET digest=digest+1" >/dev/null
}

is_faulted() { [[ $(field "$1" role) == faulted ]]; }

@test "of three nodes the one whose state differs goes, leader or not" {
    need_command sqlite3
    cluster_up 3
    lab stop n1 n2 n3
    spoil_digest n2
    spoil_digest n3
    lab start n1 n2 n3
    wait_until 20 is_faulted n1
    # Whoever leads finds it, and tells.
    grep -q " error digests-differ " "$(node_log n1)" "$(node_log n2)" \
        "$(node_log n3)"
    grep -q "the state differs" "$(node_log n1)"
    wait_until 10 serves n2
    wait_until 10 serves n3
}

# Nobody has changed it for longer than it is read without pages.
is_quiet() { (($(date +%s) - $(stat -c %Z "$1") > 3)); }

@test "a file whose time was set back is read anew" {
    cluster_up 3
    echo old >"$C/n1/d/f"
    truncate -s 20M "$C/n1/d/f" # a small one is read without pages for longer
    wait_until 10 is_quiet "$C/n1/d/f"
    [[ $(head -n 1 "$C/n2/d/f") == old ]]
    touch -r "$C/n1/d/f" "$C/time"
    echo new | dd of="$C/n1/d/f" conv=notrunc status=none
    touch -r "$C/time" "$C/n1/d/f"
    wait_until 10 is_quiet "$C/n1/d/f"
    [[ $(head -n 1 "$C/n2/d/f") == new ]]
}

# Linux 6.6 and later; before that such descriptors could not be mapped.
maps_direct_io() { printf '6.6\n%s\n' "$(uname -r)" | sort -VC; }

@test "a descriptor that is kept open sees a change whose time was set back" {
    need_command python3
    maps_direct_io || skip "needs Linux 6.6"
    cluster_up 3
    echo old >"$C/n1/d/f"
    wait_until 10 is_quiet "$C/n1/d/f"
    touch -r "$C/n1/d/f" "$C/time"
    timeout 60 python3 - "$C" <<'END'
import mmap, os, subprocess, sys
c = sys.argv[1]
fd = os.open(c + "/n2/d/f", os.O_RDWR)
assert os.pread(fd, 4, 0) == b"old\n"
with open(c + "/n1/d/f", "r+") as f:
    f.write("new\n")
subprocess.check_call(["touch", "-r", c + "/time", c + "/n1/d/f"])
assert os.pread(fd, 4, 0) == b"new\n"
# It can be mapped all the same.
shared = mmap.mmap(fd, 4)
assert shared[:4] == b"new\n"
shared[:4] = b"map\n"
shared.flush()
assert open(c + "/n1/d/f").read() == "map\n"
END
}

@test "times that do not fit are cut" {
    cluster_up 1
    touch -d "9999-01-01 UTC" "$C/n1/d/late"
    [[ $(stat -c %Y "$C/n1/d/late") -eq 9223372036 ]]
    touch -d "0002-01-01 UTC" "$C/n1/d/early"
    (($(stat -c %Y "$C/n1/d/early") < -9000000000))
}

@test "nodes at the same index say the same digest, at any moment" {
    cluster_up 3
    local i said compared=0
    for i in $(seq 40); do
        echo "$i" >>"$C/n1/d/f"
        said=$(for node in "${NODES[@]}"; do
            node_status "$node" | jq -r '"\(.applied) \(.digest)"'
        done)
        if [[ $(cut -d' ' -f1 <<<"$said" | sort -u | wc -l) == 1 ]]; then
            compared=$((compared + 1))
            [[ $(sort -u <<<"$said" | wc -l) == 1 ]] || fail "$said"
        fi
    done
    ((compared >= 1))
}

#!/usr/bin/env bats
# Programs on several nodes that rely on names: mutexes, queues, replaced files.
# RAFTFS_TEST_TIMES=10 makes them ten times longer.
load ../lib/cluster

TIMES=${RAFTFS_TEST_TIMES:-1}

# Everything that was started has ended, with 0.
wait_for_all() {
    local pid failed=0
    for pid in "$@"; do
        wait "$pid" || failed=$((failed + 1))
    done
    [[ $failed == 0 ]] || fail "$failed of $# failed"
}

# counted LOCK UNLOCK TIMES: adds 1 to the number in the file that often.
counted() {
    local i
    for ((i = 0; i < $3; i++)); do
        until eval "$1" 2>/dev/null; do :; done
        echo $(($(<count) + 1)) >count
        eval "$2"
    done
}

@test "O_EXCL and mkdir are mutexes for a counter on three nodes" {
    cluster_up 3
    local node times=$((12 * TIMES)) pids
    for how in '(set -C; : >lock)|rm lock' 'mkdir lock|rmdir lock'; do
        echo 0 >"$C/n1/d/count"
        pids=()
        for node in "${NODES[@]}"; do
            background eval "cd '$C/$node/d' && counted '${how%|*}' '${how#*|}' $times"
            pids+=("$!")
        done
        wait_for_all "${pids[@]}"
        [[ $(cat "$C/n2/d/count") == $((times * 3)) ]]
    done
}

# Takes jobs by renaming them until none is left.
worker() {
    local job
    while true; do
        # shellcheck disable=SC2012
        job=$(ls jobs | shuf -n 1)
        [[ -n $job ]] || return 0
        if mv -T "jobs/$job" "taken/$1.$job" 2>/dev/null; then
            echo "$job" >>"done.$1"
        fi
    done
}

@test "of six workers on three nodes each job is taken by one" {
    cluster_up 3
    local jobs=$((48 * TIMES)) pids=()
    mkdir "$C/n1/d/jobs" "$C/n1/d/taken"
    (cd "$C/n2/d/jobs" && seq -f 'job%.0f' $jobs | xargs touch)
    for i in 1 2 3 4 5 6; do
        background eval "cd '$C/n$((i % 3 + 1))/d' && worker $i"
        pids+=("$!")
    done
    wait_for_all "${pids[@]}"
    cat "$C"/n1/d/done.* >"$BATS_TEST_TMPDIR/done"
    [[ $(wc -l <"$BATS_TEST_TMPDIR/done") == "$jobs" ]]
    [[ $(sort -u "$BATS_TEST_TMPDIR/done" | wc -l) == "$jobs" ]]
    for node in "${NODES[@]}"; do
        [[ -z $(ls -A "$C/$node/d/jobs") ]]
        [[ $(find "$C/$node/d/taken" -type f | wc -l) == "$jobs" ]]
    done
}

@test "a file that is replaced by rename is never absent, torn or old" {
    need_command python3
    cluster_up 3
    run python3 "$LIB/replaced.py" $((2000 * TIMES)) "$C/n1/d" \
        "$C/n1/d" "$C/n2/d" "$C/n3/d"
    tell "$output"
    [[ $status == 0 ]]
}

@test "a directory that is replaced by a link or an exchange is never absent or old" {
    need_command python3
    cluster_up 3
    local kind
    for kind in link directory; do
        mkdir "$C/n1/d/$kind"
        run python3 "$LIB/flipped.py" "$kind" $((200 * TIMES)) "$C"/n{1,2,3}/d/"$kind"
        tell "$output"
        [[ $status == 0 ]]
    done
}

@test "a file that goes between the walk of its path and the open is opened" {
    need_command python3
    cluster_up 3
    python3 - "$C/n1/d/f" "$C/n2/d/f" <<'END'
import os, sys
with open(sys.argv[1], "w") as f:
    f.write("text")
found = os.open(sys.argv[1], os.O_PATH)
os.unlink(sys.argv[2])
with open("/proc/self/fd/%d" % found) as f:
    assert f.read() == "text"
END
}

@test "what is unlinked on one node and open on another stays until it is closed" {
    cluster_up 3
    local inodes
    inodes=$(field n1 space.inodes)
    [[ -n $inodes ]]
    dd if=/dev/urandom of="$BATS_TEST_TMPDIR/big" bs=1M count=4 status=none
    cp "$BATS_TEST_TMPDIR/big" "$C/n1/d/big"
    exec 7<>"$C/n2/d/big" 8<"$C/n3/d/big"
    rm "$C/n1/d/big"
    [[ ! -e $C/n2/d/big && ! -e $C/n3/d/big ]]
    cmp /proc/self/fd/7 "$BATS_TEST_TMPDIR/big"
    # Written through one, read through the other.
    printf 'still here' >&7
    [[ $(head -c 10 <&8) == "still here" ]]
    exec 7>&-
    [[ $(tail -c +11 /proc/self/fd/8 | md5sum) == \
        $(tail -c +11 "$BATS_TEST_TMPDIR/big" | md5sum) ]]
    exec 8>&-
    given_back() {
        local node
        for node in "${NODES[@]}"; do
            [[ $(field "$node" space.inodes) == "$inodes" ]] || return 1
        done
    }
    wait_until 20 given_back
}

@test "directories that two nodes rename into each other never form a circle" {
    cluster_up 3
    local pids=()
    mkdir "$C/n1/d/a" "$C/n1/d/b"
    into() {
        local i
        for ((i = 0; i < 25 * TIMES; i++)); do
            mv -T "$2" "$1/$2" 2>/dev/null && mv -T "$1/$2" "$2" 2>/dev/null
        done
        return 0
    }
    background eval "cd '$C/n1/d' && into a b"
    pids+=("$!")
    background eval "cd '$C/n2/d' && into b a"
    pids+=("$!")
    wait_for_all "${pids[@]}"
    for node in "${NODES[@]}"; do
        [[ $(find "$C/$node/d" -name '[ab]' | wc -l) == 2 ]]
    done
    wait_converged
}

@test "a tree is removed on one node while others list and unpack it" {
    cluster_up 3
    local lister i
    mkdir "$BATS_TEST_TMPDIR/t"
    (cd "$BATS_TEST_TMPDIR/t" && for ((i = 0; i < 12; i++)); do
        mkdir -p "x/$i/y/z" && touch "x/$i/"{1,2,3} "x/$i/y/z/"{4,5,6}
    done && tar cf ../t.tar x)
    list() { while true; do find "$C/n2/d/x" >/dev/null 2>&1 || true; done; }
    background list
    lister=$!
    for ((i = 0; i < 2 * TIMES; i++)); do
        tar -C "$C/n1/d" -xf "$BATS_TEST_TMPDIR/t.tar"
        rm -rf "$C/n3/d/x"
        [[ ! -e $C/n1/d/x && ! -e $C/n2/d/x ]]
        # And both at once; whoever wins, all nodes see the same.
        background tar -C "$C/n1/d" -xf "$BATS_TEST_TMPDIR/t.tar" 2>/dev/null
        until rm -rf "$C/n3/d/x" 2>/dev/null; do :; done
        wait "$!" || true
        rm -rf "$C/n3/d/x"
    done
    kill "$lister"
    wait "$lister" 2>/dev/null || true
    [[ -z $(ls -A "$C/n1/d") ]]
    wait_converged
}

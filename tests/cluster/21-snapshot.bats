#!/usr/bin/env bats
# A node that is behind the log, or has lost its disk, gets the tree.
load ../lib/cluster

has_event() { # NODE CODE
    timeout 10 "$RAFTFS" events "$C/data/$1" --json |
        jq -e --arg code "$2" -s 'any(.[]; .code == $code)' >/dev/null
}
counter() { field "$1" "counters.$2"; } # NODE COUNTER
counted() { (($(counter "$1" "$2") >= $3)); }
# The log of NODE begins behind INDEX.
begins_behind() { (($(field "$1" first) > $2)); }

# make_things NODE NAME COUNT: files small and large, names, attributes.
make_things() {
    local dir=$C/$1/d/$2 i
    mkdir "$dir"
    for ((i = 1; i <= $3; i++)); do
        echo "contents $i" >"$dir/f$i"
        ((i % 10 == 0)) || continue
        head -c 30000 /dev/urandom >"$dir/big$i"
        ln "$dir/f$i" "$dir/l$i"
        ln -s "f$i" "$dir/s$i"
        mkdir "$dir/d$i"
        setfattr -n user.number -v "$i" "$dir/f$i"
        truncate -s 1M "$dir/sparse$i"
    done
}

# behind NODE: everything that the leader does not keep for it.
fall_behind() {
    local last
    last=$(field "$1" last)
    node_kill "$1"
    make_things "$2" "$3" 30
    rm -r "$C/$2/d/before"
    wait_until 60 begins_behind "$2" "$((last + 20))"
}

@test "a node that is behind the log gets what has changed" {
    cluster_up 3
    configure log_trailing 10
    local leader
    leader=$(leader_name)
    set -- $(others "$leader")
    wait_until 20 serves "$1"
    make_things "$1" before 20
    make_things "$1" stays 20
    exec 8>"$C/$1/d/held" # an open file, and then an orphan
    echo held >&8
    wait_converged
    timeout 10 "$RAFTFS" config set --cluster window_mb=3 "$C/$leader"
    fall_behind "$2" "$leader" new
    rm "$C/$leader/d/held"
    echo more >&8
    node_start "$2"
    wait_until 60 counted "$2" snapshots_installed 1
    wait_converged
    # A setting of the whole cluster comes with it, and is in force at once.
    window_is_3() { [[ $(timeout 10 "$RAFTFS" config get window_mb "$C/$1") == 3 ]]; }
    wait_until 10 window_is_3 "$2"
    has_event "$2" snapshot-begun
    has_event "$2" snapshot-installed
    [[ $(counter "$leader" snapshots_sent) -ge 1 ]]
    same_trees n1 n2 n3
    exec 8>&-
    wait_until 20 serves "$2"
    # What it was given lives through a restart, and as a leader's tree.
    node_kill "$2"
    timeout 60 "$RAFTFS" check "$C/data/$2"
    node_start "$2"
    wait_until 20 serves "$2"
    wait_converged
    same_trees n1 n2 n3
}

@test "a leader killed in the middle of a transfer: another goes on" {
    cluster_up 3
    configure log_trailing 10
    configure snapshot_mb_s 1
    local leader
    leader=$(leader_name)
    set -- $(others "$leader")
    wait_until 20 serves "$1"
    mkdir "$C/$1/d/before"
    wait_converged
    fall_behind "$2" "$leader" new
    head -c 6000000 /dev/urandom >"$C/$1/d/large"
    node_start "$2"
    sending() { jq -e '.snapshot.receiving.percent > 30' <(node_status "$2") >/dev/null; }
    wait_until 60 sending x "$2"
    [[ $(timeout 10 "$RAFTFS" status "$C/data/$2") == *"snapshot from $leader: "*"left"* ]]
    node_kill "$leader"
    echo "while it is away" >"$C/$1/d/later"
    wait_until 60 counted "$2" snapshots_installed 1
    [[ $(counter "$2" snapshots_resumed) -ge 1 ]]
    wait_converged "$1" "$2"
    node_start "$leader"
    wait_converged
    same_trees n1 n2 n3
}

@test "a damaged segment is not spread" {
    cluster_up 3
    configure log_trailing 10
    local leader segment
    leader=$(leader_name)
    set -- $(others "$leader")
    wait_until 20 serves "$1"
    mkdir "$C/$1/d/before"
    wait_converged
    fall_behind "$2" "$leader" new
    for segment in "$C/data/$leader"/segments/*.seg; do
        printf 'damaged' | dd of="$segment" bs=1 seek=20000 conv=notrunc status=none
    done
    node_start "$2"
    wait_until 30 has_event "$leader" snapshot-failed
    [[ $(counter "$2" snapshots_installed) == 0 ]]
    # Another node's disk is whole.
    node_kill "$leader"
    wait_until 60 counted "$2" snapshots_installed 1
    wait_converged "$1" "$2"
}

teardown() {
    ! mountpoint -q "${DISK:-/nowhere}" || umount -l "$DISK"
    cluster_down
}

waits_for_room() { [[ $(field "$1" snapshot.receiving.room_missing) -gt 0 ]]; }
free_mb() { echo $(($(stat -f -c '%a * %S' "$DISK") >> 20)); }

@test "a tree that does not fit waits for room, and then goes on" {
    ((EUID == 0)) || skip "only root may mount a small disk"
    cluster_up 3
    configure log_trailing 10
    local leader victim last looks
    leader=$(leader_name)
    victim=$(others "$leader" | head -n 1)
    mkdir "$C/$leader/d/before"
    wait_until 20 serves "$victim"
    wait_converged
    last=$(field "$victim" last)
    lab stop "$victim"
    DISK=$C/data/$victim
    mv "$DISK" "$C/kept"
    mkdir "$DISK"
    mount -t tmpfs -o size=320m none "$DISK" || skip "no small disk here"
    cp -a "$C/kept/." "$DISK/"
    head -c 60000000 /dev/urandom >"$C/$leader/d/large"
    make_things "$leader" new 30
    wait_until 60 begins_behind "$leader" "$((last + 20))"
    # Its reserve is 40 MiB. The first chunk says that there is not enough.
    head -c "$(($(free_mb) - 80))M" /dev/zero >"$DISK/filler"
    lab start "$victim"
    wait_until 30 has_event "$victim" snapshot-waits
    wait_until 10 waits_for_room "$victim"
    [[ $(timeout 10 "$RAFTFS" status "$C/data/$victim") == *"waits for room"* ]]
    looks=$(looks "$leader")
    wait_until 20 has_looked_since "$leader" "$((looks + 3))" # as often as it did
    (($(free_mb) > 50))
    waits_for_room "$victim"
    [[ $(timeout 10 "$RAFTFS" events "$C/data/$victim" | grep -c snapshot-waits) == 1 ]]
    serves "$leader"
    truncate -s 0 "$DISK/filler"
    wait_until 60 counted "$victim" snapshots_installed 1
    [[ $(counter "$victim" snapshots_failed) == 0 ]]
    wait_converged
    cmp "$C/$leader/d/large" "$C/$victim/d/large"
    lab stop "$victim"
}

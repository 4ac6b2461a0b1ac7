#!/usr/bin/env bats
# 8. Whatever is sent to the peer port: the node says so once and goes on.
load ../lib/cluster

address() { jq -r .listen "$C/data/$1/raftfs.json"; }

# send NODE: what comes on the input goes to the node's peer port.
send() {
    local host=127.0.0.1 port
    port=$(address "$1")
    timeout 3 bash -c "exec 9<>/dev/tcp/$host/${port##*:}; cat >&9
        cat <&9 >/dev/null" 2>/dev/null || true
}
garbage() { field "$1" counters.garbage; }

# refused NODE COMMAND: its output, sent three times, is counted as garbage.
refused() {
    local before
    before=$(garbage "$1")
    for _ in 1 2 3; do
        "$2" | send "$1"
    done
    three_more() { (($(garbage "$1") >= $2 + 3)); }
    wait_until 5 three_more "$1" "${before:-0}"
}

u16() { printf '\\x%02x\\x%02x' $(($1 & 255)) $(($1 >> 8 & 255)); }
u32() { u16 $(($1 & 65535)) && u16 $(($1 >> 16)); }
# frame_header KIND BODY_SIZE: with a checksum that is wrong.
frame_header() {
    # shellcheck disable=SC2059
    printf "RFS1$(u16 1)$(u16 "$1")$(u32 "$2")$(u32 0)"
    head -c 24 /dev/zero
}

noise() { head -c 100000 /dev/urandom; }
zeros() { head -c 100000 /dev/zero; }
http() { printf 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'; }
four_gib() { frame_header 1 4294967295; }
long_frame() { frame_header 1 4194305 && noise; }
wrong_checksum() { frame_header 5 64 && head -c 64 /dev/urandom; }
half_frame() { frame_header 1 1000 && head -c 500 /dev/urandom; }
half_header() { printf 'RFS1\x01\x00'; }
silence() { :; }

@test "garbage, half frames and a 4 GiB length do not disturb a node" {
    cluster_up 3
    leader=$(leader_name)
    term=$(field "$leader" term)
    pid=$(node_pid "$leader")
    for what in noise zeros http four_gib long_frame wrong_checksum; do
        refused "$leader" "$what"
    done
    for what in half_frame half_header silence; do
        "$what" | send "$leader"
    done
    # Said once, not for every connection.
    [[ $(grep -c ' warn garbage ' "$(node_log "$leader")") == 1 ]]
    [[ $(node_pid "$leader") == "$pid" ]]
    for node in "${NODES[@]}"; do
        serves "$node"
    done
    [[ $(agreed_leader) == "$leader" && $(field "$leader" term) == "$term" ]]
    # 4 GiB were not allocated.
    (($(awk '/VmHWM/ { print $2 }' "/proc/$pid/status") < 1000000))
}

@test "many connections that say nothing keep nobody out" {
    cluster_up 3
    leader=$(leader_name)
    port=$(address "$leader")
    for _ in $(seq 1 200); do
        background bash -c "exec 9<>/dev/tcp/127.0.0.1/${port##*:}; read -r x <&9"
    done
    for node in "${NODES[@]}"; do
        serves "$node"
    done
    node_kill n2
    node_start n2
    wait_until 10 serves n2
}

@test "a node of another cluster is refused, and both sides say why" {
    cluster_up 3
    leader=$(leader_name)
    term=$(field "$leader" term)
    stranger=$BATS_TEST_TMPDIR/stranger
    port=$(($(free_port_base) + 500))
    "$RAFTFS" init "$stranger" --name n1 --listen "127.0.0.1:$port" \
        --peer "n2=$(address n2)" --peer "other=127.0.0.1:$((port + 1))"
    background "$RAFTFS" run "$stranger" >"$BATS_TEST_TMPDIR/stranger.log" 2>&1
    wait_until 10 grep -q ' warn peer-refused .*cluster' "$BATS_TEST_TMPDIR/stranger.log"
    about() { grep ' warn peer-refused ' "$(node_log n2)" | grep cluster; }
    wait_until 10 about
    # It goes on dialling, but it is not told again and again.
    for node in "${NODES[@]}"; do
        serves "$node"
    done
    [[ $(about | wc -l) == 1 ]]
    [[ $(grep -c ' warn peer-refused .*cluster' "$BATS_TEST_TMPDIR/stranger.log") == 1 ]]
    [[ $(agreed_leader) == "$leader" && $(field "$leader" term) == "$term" ]]
}

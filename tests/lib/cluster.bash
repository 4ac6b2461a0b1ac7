# cluster.bash -- real nodes and mounts for bats tests.
#
# A test calls cluster_up and gets nodes n1, n2, ... with mounts $C/n1, $C/n2.
# The work is done by mount-helpers/lab, so every test also proves the lab. Each
# test has its own directory and ports, waits for conditions and never for a
# length of time, and teardown ends only what the test started.
#
# Files that tests write go into a directory of the tree, never to its root: while
# a killed node's mount is being replaced, its root is for a moment the plain
# directory below, where a write would succeed and be lost.

ROOT=${ROOT:-$(dirname "$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")")}
LAB=$ROOT/mount-helpers/lab
LIB=$ROOT/tests/lib
RAFTFS=${RAFTFS:-$(find "$ROOT"/build/*/ -maxdepth 3 -name raftfs -type f \
    -perm -u+x -printf '%T@ %p\n' 2>/dev/null | sort -rn | head -n 1 | cut -d' ' -f2-)}
export RAFTFS LC_ALL=C

BACKGROUND=()

# --- saying ----------------------------------------------------------------

tell() { echo "# $*" >&3; } # shown also when the test passes
fail() {
    echo "$*"
    return 1
}
now_ms() { date +%s%3N; }

need_mounts() {
    if [[ -n ${RAFTFS_TEST_NO_MOUNTS:-} ]]; then
        skip "$RAFTFS_TEST_NO_MOUNTS"
    fi
    if [[ ! -c /dev/fuse ]]; then
        skip "/dev/fuse is missing"
    fi
}

need_command() {
    local name
    for name in "$@"; do
        if ! command -v "$name" >/dev/null; then
            skip "$name is not installed"
        fi
    done
}

quick() { [[ ${RAFTFS_TEST_QUICK:-0} == 1 ]]; }

# --- waiting ---------------------------------------------------------------

# wait_until TIMEOUT_S COMMAND...
wait_until() {
    local end=$(($(now_ms) + $1 * 1000))
    shift
    until "$@"; do
        if (($(now_ms) > end)); then
            fail "waited in vain for: $*"
            return 1
        fi
        sleep 0.1
    done
}

gone() { [[ ! -e /proc/$1 ]] || grep -q '^State:.*Z' "/proc/$1/status"; }
has_lines() { (($(wc -l <"$1" 2>/dev/null || echo 0) >= $2)); }

# --- the cluster -----------------------------------------------------------

free_port_base() {
    # Far from the lab's own 7381 and below the ephemeral ports.
    echo $((10000 + ($$ * 41 + BATS_TEST_NUMBER * 13) % 20000))
}

lab() { "$LAB" --dir "$C" "$@"; }

# cluster_up N [MOUNT_OPTIONS]: after those of RAFTFS_TEST_OPTIONS, which count less.
cluster_up() {
    need_mounts
    C=$BATS_TEST_TMPDIR/c
    local options=${RAFTFS_TEST_OPTIONS:-}
    options+=${2:+${options:+,}$2}
    lab up "$1" --port "$(free_port_base)" ${options:+-o "$options"}
    mapfile -t NODES < <(seq -f 'n%.0f' 1 "$1")
    mkdir "$C/n1/d"
}

# configure KEY NUMBER: on all nodes, which are started again.
configure() {
    local node
    for node in "${NODES[@]}"; do
        node_kill "$node"
        jq ".$1 = $2" "$C/data/$node/raftfs.json" >"$BATS_TEST_TMPDIR/new"
        cp "$BATS_TEST_TMPDIR/new" "$C/data/$node/raftfs.json"
    done
    for node in "${NODES[@]}"; do
        node_start "$node"
    done
    leader_name >/dev/null
}

node_kill() { lab kill "$@"; }
node_start() { lab start "$@"; }
node_pause() { lab pause "$@"; }
node_resume() { lab resume "$@"; }
node_pid() { cat "$C/run/$1.pid"; }
node_log() { echo "$C/log/$1.log"; }

node_status() { timeout 5 "$RAFTFS" status "$C/data/$1" --json; }
# field NODE KEY: empty when the node does not answer.
field() { node_status "$1" 2>/dev/null | jq -r ".$2 // \"\"" 2>/dev/null; }
is_leader() { [[ $(field "$1" role) == leader ]]; }

# The leader that the given nodes (all without arguments) agree on, one of them.
agreed_leader() {
    local node said leader=""
    (($# > 0)) || set -- "${NODES[@]}"
    for node in "$@"; do
        said=$(field "$node" leader)
        if [[ -z $said || (-n $leader && $said != "$leader") ]]; then
            return 1
        fi
        leader=$said
    done
    [[ " $* " == *" $leader "* ]] && is_leader "$leader" && echo "$leader"
}
has_leader() { agreed_leader "$@" >/dev/null; }
leader_name() {
    wait_until 15 has_leader "$@" >&2
    agreed_leader "$@"
}
# Every node but the given ones.
others() {
    local node
    for node in "${NODES[@]}"; do
        [[ " $* " == *" $node "* ]] || echo "$node"
    done
}

# Same applied index, same digest.
same_state() {
    local node applied commit digest first=""
    for node in "$@"; do
        read -r applied commit digest < <(node_status "$node" 2>/dev/null |
            jq -r '"\(.applied) \(.commit) \(.digest)"') || return 1
        first=${first:-$applied $digest}
        if [[ $applied != "$commit" || $first != "$applied $digest" ]]; then
            return 1
        fi
    done
}
wait_converged() {
    (($# > 0)) || set -- "${NODES[@]}"
    wait_until 30 same_state "$@" || {
        lab status
        return 1
    }
}

# serves NODE: a change made through this node's mount now succeeds.
serves() {
    local file
    file=$C/$1/d/serves-$1-$(now_ms)
    timeout 20 touch "$file" 2>/dev/null
}

# A leader looks for silent sessions and orphans each second, by its own clock.
looks() { field "$1" counters.session_looks; }
has_looked_since() { (($(looks "$1") > $2)); }

# --- processes of the test -------------------------------------------------

# background COMMAND...: ended by teardown; its pid in $!.
background() {
    "$@" 3>&- 4>&- &
    BACKGROUND+=("$!")
}

end_background() {
    local pid
    for pid in ${BACKGROUND[@]+"${BACKGROUND[@]}"}; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    BACKGROUND=()
}

# A helper program, compiled once a run; prints where it is.
helper() {
    local program=$BATS_RUN_TMPDIR/$1
    if [[ ! -x $program ]]; then
        cc -std=gnu11 -O2 -Wall -Wextra -pthread -o "$program" "$LIB/$1.c"
    fi
    echo "$program"
}

# appender NODE COUNT: a shell that appends lines to d/log through that node's
# mount, and writes down those for which >> ended with 0 (in acks.NODE).
appender() {
    background bash "$LIB/append.sh" "$C/$1/d/log" "$1" "$2" \
        "$BATS_TEST_TMPDIR/acks.$1"
}
acks() { cat "$BATS_TEST_TMPDIR"/acks.*; }
acked() { # at least COUNT by each of NODES...
    local count=$1 node
    for node in "${@:2}"; do
        has_lines "$BATS_TEST_TMPDIR/acks.$node" "$count" || return 1
    done
}

# check_appends FILE: whole lines, none twice, every acknowledged one there.
check_appends() {
    local file=$1 bad
    bad=$(grep -vE '^n[0-9]+ [0-9]+\.[0-9]+ .{40} end$' "$file" | head -n 3) || true
    [[ -z $bad ]] || fail "torn lines in $file: $bad" || return 1
    bad=$(sort "$file" | uniq -d | head -n 3)
    [[ -z $bad ]] || fail "lines twice in $file: $bad" || return 1
    bad=$(comm -13 <(sort "$file") <(acks | sort) | head -n 3)
    [[ -z $bad ]] || fail "acknowledged lines missing in $file: $bad" || return 1
}

# Never two leaders in one term: every node logs when it becomes one.
check_leaders() {
    local terms
    terms=$(for node in "${NODES[@]}"; do
        sed -nE "s/.* info role term=([0-9]+) .*role=leader.*/\\1 $node/p" \
            "$(node_log "$node")"
    done | sort -u)
    [[ -n $terms ]] || fail "no node says that it became leader" || return 1
    terms=$(cut -d' ' -f1 <<<"$terms" | uniq -d)
    [[ -z $terms ]] || fail "two leaders in term $terms"
}

# same_trees NODE...: names, types, sizes, owners, times, inodes and contents.
same_trees() {
    local node first=$1
    for node in "${@:2}"; do
        diff <(cd "$C/$first" && find . -printf "$FIND_FORMAT" | sort) \
            <(cd "$C/$node" && find . -printf "$FIND_FORMAT" | sort) | head -n 20
        diff -r --no-dereference "$C/$first" "$C/$node" | head -n 20
    done | { ! grep .; }
}
FIND_FORMAT='%p %i %y %m %n %U %G %s %b %T@ %C@ %l\n'

# --- the end of a test -----------------------------------------------------

dump_cluster() {
    local node
    lab status || true
    for node in "${NODES[@]}"; do
        echo "--- $node: the end of its log"
        tail -n 25 "$(node_log "$node")" || true
    done
}

cluster_down() {
    local node
    end_background
    if [[ -z ${C:-} || ! -f $C/lab.conf ]]; then
        return 0
    fi
    if [[ -z ${BATS_TEST_COMPLETED:-} ]]; then
        dump_cluster
    fi
    # Not the clean way (that has its own test): whatever state they are in.
    for node in "${NODES[@]}"; do
        "$LAB" --dir "$C" kill "$node" || true
    done
    if [[ -z ${BATS_TEST_COMPLETED:-} && ${RAFTFS_TEST_KEEP:-0} == 1 ]]; then
        cp -r "$C/data" "$C/log" "$(mktemp -d "${TMPDIR:-/tmp}/raftfs-failed-XXXXXX")"
    fi
    "$LAB" --dir "$C" down --wipe >/dev/null
}

teardown() { cluster_down; }

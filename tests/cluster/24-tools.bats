#!/usr/bin/env bats
# Programs that were written to find faults of filesystems.
# RAFTFS_TEST_TIMES=10 gives each of them ten times as long.
load ../lib/cluster

TIMES=${RAFTFS_TEST_TIMES:-1}

# Stressors of stress-ng by node: those of its class "filesystem", and a few more
# that work on files. Left out:
#   verity, fiemap          FUSE has no such requests: they skip themselves
#   bind-mount              needs a user namespace in which it may mount
#   binderfs, procfs        of other filesystems
#   dup, eventfd, io, ioprio  of no files
STRESS_n1="access aio chattr chdir chmod chown copy-file dentry dir dirdeep
    dirmany dnotify fallocate file-ioctl"
STRESS_n2="aiol fanotify fcntl filename flock fpunch fsize fstat getdent handle
    hdd inode-flags inotify iomix lease msync open"
STRESS_n3="link locka lockf lockofd mknod rename revio seek sendfile symlink
    sync-file touch utime xattr"

# stress DIRECTORY STRESSOR
stress() {
    mkdir -p "$1" && timeout 120 stress-ng "--$2" 1 --verify --no-rand-seed \
        -t "$TIMES" --temp-path "$1" >"$BATS_TEST_TMPDIR/said.$2" 2>&1 &&
        ! grep -qE 'fail:|skipp' "$BATS_TEST_TMPDIR/said.$2" &&
        rmdir "$1" # it leaves nothing
}

# What fails on the local filesystem too says nothing about ours.
stress_all() {
    local node=$1 one failed=0
    shift
    for one in "$@"; do
        if stress "$C/$node/d/s-$one" "$one"; then
            continue
        fi
        cp "$BATS_TEST_TMPDIR/said.$one" "$BATS_TEST_TMPDIR/first.$one"
        if stress "$BATS_TEST_TMPDIR/s-$one" "$one"; then
            echo "$one fails on $node:"
            cat "$BATS_TEST_TMPDIR/first.$one"
            failed=1
        else
            echo "$one" >>"$BATS_TEST_TMPDIR/fail-everywhere"
        fi
    done
    return "$failed"
}

@test "stress-ng verifies on three nodes at once" {
    need_command stress-ng
    cluster_up 3
    local node list pids=() pid failed=0
    : >"$BATS_TEST_TMPDIR/fail-everywhere"
    for node in "${NODES[@]}"; do
        list=STRESS_$node
        # shellcheck disable=SC2086
        background stress_all "$node" ${!list}
        pids+=("$!")
    done
    for pid in "${pids[@]}"; do
        wait "$pid" || failed=1
    done
    [[ ! -s $BATS_TEST_TMPDIR/fail-everywhere ]] ||
        tell "fail here on any filesystem:" \
            "$(paste -sd' ' "$BATS_TEST_TMPDIR/fail-everywhere")"
    [[ $failed == 0 ]]
    (($(wc -l <"$BATS_TEST_TMPDIR/fail-everywhere") < 10))
    wait_converged
}

# fio_jobs NODE...: four jobs, each in the directory of the next node.
fio_jobs() {
    cat <<END
[global]
rw=randwrite
size=$((4 * TIMES))m
bsrange=512-64k
verify=crc32c
verify_fatal=1
verify_state_save=0
filename_format=\$jobname
[psync]
ioengine=psync
directory=$C/$1/d
[libaio]
ioengine=libaio
iodepth=8
direct=1
bsrange=4k-64k
directory=$C/$2/d
[mmap]
ioengine=mmap
directory=$C/$3/d
[fsync]
ioengine=sync
fsync=16
overwrite=1
directory=$C/$1/d
END
}

@test "what fio writes at random on one node it finds on the others" {
    need_command fio
    cluster_up 3
    local order
    fio_jobs n1 n2 n3 >"$BATS_TEST_TMPDIR/jobs"
    fio --minimal "$BATS_TEST_TMPDIR/jobs"
    for order in "n2 n3 n1" "n3 n1 n2"; do
        # shellcheck disable=SC2086
        fio_jobs $order >"$BATS_TEST_TMPDIR/jobs"
        fio --minimal --verify_only "$BATS_TEST_TMPDIR/jobs"
    done
    # And it would see a byte that is another one.
    printf '\377\0\377' |
        dd of="$C/n1/d/psync" bs=1 seek=100000 conv=notrunc status=none
    run fio --verify_only --section=psync "$BATS_TEST_TMPDIR/jobs"
    [[ $status != 0 && $output == *"verify failed"* ]]
}

@test "dbench, two clients on each of three nodes" {
    need_command dbench
    cluster_up 3
    local node pids=() pid
    for node in "${NODES[@]}"; do
        mkdir "$C/$node/d/$node"
        background dbench -x -t $((3 * TIMES)) -D "$C/$node/d/$node" 2 \
            >"$BATS_TEST_TMPDIR/dbench.$node" 2>&1
        pids+=("$!")
    done
    for pid in "${pids[@]}"; do
        wait "$pid"
    done
    for node in "${NODES[@]}"; do
        cat "$BATS_TEST_TMPDIR/dbench.$node"
        [[ $(grep -ciE 'error|failed' "$BATS_TEST_TMPDIR/dbench.$node") == 0 ]]
        tell "$node: $(grep Throughput "$BATS_TEST_TMPDIR/dbench.$node")"
    done
    wait_converged
}

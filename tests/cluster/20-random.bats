#!/usr/bin/env bats
# Random calls, compared with ext4 and with a model. Always the same ones: what is
# found in them is then due to the change at hand. RAFTFS_TEST_SEED=N asks for
# others, RAFTFS_TEST_CALLS=100000 for more.
load ../lib/cluster

CALLS=${RAFTFS_TEST_CALLS:-3000}
SEED=${RAFTFS_TEST_SEED:-20}

# program NAME: where it was built, beside raftfs.
program() { echo "$(dirname "$(dirname "$RAFTFS")")/tests/posix/$1"; }

# An ext4 of its own, not of whatever kind the test's directory is.
ext4_up() {
    ((EUID == 0)) || skip "calls as root and as others need root"
    need_command mkfs.ext4
    EXT4=$BATS_TEST_TMPDIR/ext4
    mkdir "$EXT4"
    truncate -s 200M "$BATS_TEST_TMPDIR/image"
    mkfs.ext4 -q -b 4096 -F "$BATS_TEST_TMPDIR/image"
    mount -o loop,nodev,nosuid,noatime "$BATS_TEST_TMPDIR/image" "$EXT4" ||
        skip "no loop devices"
}

teardown() {
    if mountpoint -q "${EXT4:-/nonexistent}"; then
        umount "$EXT4"
    fi
    cluster_down
}

@test "random calls on three nodes give what they give on ext4" {
    ext4_up
    cluster_up 3 allow_other
    local node
    mkdir "$EXT4/t" "$C/n1/d/t"
    run "$(program differ)" --seed "$SEED" --calls "$CALLS" "$EXT4/t" \
        "$C/n1/d/t" "$C/n2/d/t" "$C/n3/d/t"
    tell "${lines[-1]}"
    echo "$output"
    [[ $status == 0 ]]
    wait_converged
}

@test "a file that is read, written, cut, mapped and copied at random" {
    cluster_up 3
    run "$(program fsx)" --seed "$SEED" --ops "$CALLS" "$C/n2/d/f"
    tell "${lines[-1]}"
    echo "$output"
    [[ $status == 0 ]]
    cmp "$C/n2/d/f" "$C/n1/d/f"
    cmp "$C/n2/d/f" "$C/n3/d/f"
}

@test "a file that two nodes read, write, cut and copy at random" {
    cluster_up 3
    run "$(program fsx)" --seed "$SEED" --ops "$CALLS" "$C/n1/d/f" "$C/n3/d/f"
    tell "${lines[-1]}"
    echo "$output"
    [[ $status == 0 ]]
    cmp "$C/n1/d/f" "$C/n2/d/f"
}

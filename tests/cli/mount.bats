#!/usr/bin/env bats
# A node and its mount: coming, being there, and going.
load ../lib/cluster

setup() {
    need_mounts
    C=""
    D=$BATS_TEST_TMPDIR/data
    M=$BATS_TEST_TMPDIR/mnt
    mkdir "$M"
    PORT=$(free_port_base)
    "$RAFTFS" init "$D" --name n1 --listen "127.0.0.1:$PORT"
}

teardown() {
    end_background
    local pid
    pid=$(the_pid)
    if [[ -n $pid ]]; then
        kill -9 "$pid" || true
    fi
    while is_mounted; do
        umount -l "$M" 2>/dev/null || fusermount3 -uz "$M"
    done
}

is_mounted() { grep -qF " $M " /proc/self/mountinfo; }
not_mounted() { ! is_mounted; }
# The process that runs our data directory, found by its command line.
the_pid() {
    local dir
    for dir in /proc/[0-9]*; do
        if [[ $dir/exe -ef $RAFTFS ]] &&
            tr '\0' '\n' <"$dir/cmdline" | grep -qxF -- "$D"; then
            echo "${dir#/proc/}"
            return
        fi
    done 2>/dev/null
}

# Kept apart from bats's descriptors, which the daemon would hold open.
mount_() { "$RAFTFS" mount "$D" "$M" "$@" 3>&- 4>&- </dev/null; }
mount_foreground() {
    background "$RAFTFS" mount "$D" "$M" -f "$@"
    PID=$!
    wait_until 10 usable
}
usable() { [[ -n $(cat "$M/.raftfs/leader" 2>/dev/null) ]]; }

@test "mount returns when the mount can be used" {
    mount_
    is_mounted
    echo text >"$M/file"
    [[ $(cat "$M/file") == text ]]
    [[ $("$RAFTFS" status "$M" --json | jq -r .name) == n1 ]]
}

@test "umount ends the node with 0 and nothing is lost" {
    mount_foreground
    echo text >"$M/file"
    if ((EUID == 0)); then
        umount "$M"
    else
        fusermount3 -u "$M"
    fi
    wait "$PID" # with 0
    not_mounted
    mount_
    [[ $(cat "$M/file") == text ]]
}

@test "fusermount3 -u ends the node with 0" {
    mount_foreground
    fusermount3 -u "$M"
    wait "$PID"
    not_mounted
}

@test "SIGTERM and SIGINT end the node with 0 and unmount" {
    for signal in TERM INT; do
        # A shell's background job ignores SIGINT unless it is reset.
        background env --default-signal=INT "$RAFTFS" mount "$D" "$M" -f
        pid=$!
        wait_until 10 usable
        echo "$signal" >"$M/file"
        kill -s "$signal" "$pid"
        wait "$pid"
        not_mounted
    done
    mount_
    [[ $(cat "$M/file") == INT ]]
}

@test "SIGTERM while a program has files open, and stands in the mount" {
    mount_foreground
    exec 8>"$M/open"
    (cd "$M" && exec sleep 1000 3>&- 4>&-) &
    BACKGROUND+=("$!")
    kill -TERM "$PID"
    wait "$PID"
    not_mounted
    exec 8>&- || true
}

@test "the background mount ends on SIGTERM too" {
    mount_
    pid=$(the_pid)
    [[ -n $pid ]]
    kill -TERM "$pid"
    wait_until 10 gone "$pid"
    not_mounted
}

@test "kill -9 leaves a dead mount; after unmounting it the node goes on" {
    mount_foreground
    echo text >"$M/file"
    kill -9 "$PID"
    wait "$PID" || true
    run cat "$M/file"
    [[ $output == *"not connected"* ]]
    fusermount3 -uz "$M"
    mount_
    [[ $(cat "$M/file") == text ]]
}

@test "mount says why not" {
    run mount_fails "$BATS_TEST_TMPDIR/nowhere"
    [[ $status != 0 && $output == *nowhere* ]]
    : >"$BATS_TEST_TMPDIR/file"
    run mount_fails "$BATS_TEST_TMPDIR/file"
    [[ $status != 0 && $output == *file* ]]
    mount_
    mkdir "$BATS_TEST_TMPDIR/second"
    run mount_fails "$BATS_TEST_TMPDIR/second"
    [[ $status != 0 && $output == *"in use"* ]]
    run grep -F "$BATS_TEST_TMPDIR/second" /proc/self/mountinfo
    [[ $status == 1 ]]
}
mount_fails() { timeout 20 "$RAFTFS" mount "$D" "$1" 3>&- 4>&- </dev/null; }

@test "without a majority the mount is there all the same" {
    rm -rf "$D"
    "$RAFTFS" init "$D" --name n1 --listen "127.0.0.1:$PORT" \
        --peer "n2=127.0.0.1:$((PORT + 1))" --peer "n3=127.0.0.1:$((PORT + 2))"
    timeout 20 "$RAFTFS" mount "$D" "$M" -o op_timeout=1 3>&- 4>&- </dev/null
    is_mounted
    [[ $(cat "$M/.raftfs/leader") == "" ]]
    jq -e '.leader == null and .writable == false and (.why | length > 0)' \
        "$M/.raftfs/status"
    timeout 2 df "$M"
    run mkdir "$M/dir"
    [[ $status != 0 ]]
    [[ $output == *"Read-only file system"* || $output == *"timed out"* ]]
    # And it stops as cleanly as any other.
    pid=$(the_pid)
    kill -TERM "$pid"
    wait_until 10 gone "$pid"
    not_mounted
}

@test ".raftfs is there, is not listed, and cannot be changed" {
    mount_
    [[ $(ls -A "$M") == "" ]]
    [[ $(find "$M" | wc -l) == 1 ]]
    [[ $(cat "$M/.raftfs/leader") == n1 ]]
    jq -e '.role == "leader" and .writable and .mountpoint' "$M/.raftfs/status"
    grep -q n1 "$M/.raftfs/members"
    cat "$M/.raftfs/errors"
    [[ $(ls "$M/.raftfs" | tr '\n' ' ') == "errors leader members status " ]]
    for change in "touch $M/.raftfs/new" "rm -f $M/.raftfs/status" \
        "mkdir $M/.raftfs" "rmdir $M/.raftfs" "mv $M/.raftfs $M/x" \
        "ln $M/.raftfs/status $M/x" "dd of=$M/.raftfs/status"; do
        run bash -c "$change </dev/null"
        [[ $status != 0 ]] || fail "was allowed: $change"
    done
    [[ $(ls -A "$M") == "" ]]
}

@test "log tells who did what" {
    mount_
    mkdir "$M/some-directory"
    run mkdir "$M/some-directory"
    [[ $status != 0 ]]
    touch "$M/x" && mv "$M/x" "$M/other-name"
    run "$RAFTFS" log "$M"
    [[ $status == 0 ]]
    [[ $output == *some-directory* && $output == *other-name* ]]
    [[ $(grep some-directory <<<"$output" | head -n 1) =~ mkdir ]]
    "$RAFTFS" log "$M" --json | jq -es --argjson uid "$EUID" '
        map(select(.op == "rename")) | length == 1 and .[0].comm == "mv"
        and .[0].uid == $uid and .[0].pid > 1 and .[0].node == "n1"'
    last=$("$RAFTFS" log "$M" --json | tail -n 1 | jq .index)
    [[ $("$RAFTFS" log "$M" --from "$last" --json | wc -l) == 1 ]]
}

@test "log --follow shows what happens now" {
    mount_
    background "$RAFTFS" log "$M" --follow >"$BATS_TEST_TMPDIR/follow"
    mkdir "$M/first"
    follows() { grep -q "$1" "$BATS_TEST_TMPDIR/follow"; }
    wait_until 5 follows first
    mkdir "$M/second"
    wait_until 5 follows second
}

@test "status --watch goes on until it is interrupted" {
    mount_
    background "$RAFTFS" status "$M" --watch >"$BATS_TEST_TMPDIR/watch"
    twice() { (($(grep -c leader "$BATS_TEST_TMPDIR/watch") >= 2)); }
    wait_until 5 twice
}

@test "an ordinary user runs a node and mounts it" {
    if ((EUID == 0)); then
        need_command setpriv
        getent passwd nobody || skip "there is no user nobody"
        as_user() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
        if ! as_user sh -c ': <>/dev/fuse' 2>/dev/null; then
            skip "nobody may not open /dev/fuse"
        fi
        HOME_DIR=$(mktemp -d /tmp/raftfs-user-XXXXXX)
        chown 65534:65534 "$HOME_DIR"
        # The build may lie where nobody has no business.
        cp "$RAFTFS" "$HOME_DIR/raftfs"
        RAFTFS=$HOME_DIR/raftfs
    else
        as_user() { "$@"; }
        HOME_DIR=$(mktemp -d /tmp/raftfs-user-XXXXXX)
    fi
    D=$HOME_DIR/data
    M=$HOME_DIR/mnt
    as_user mkdir "$M"
    as_user "$RAFTFS" init "$D" --name n1 --listen "127.0.0.1:$PORT"
    as_user "$RAFTFS" mount "$D" "$M" 3>&- 4>&- </dev/null
    as_user sh -c "echo text >'$M/file'"
    [[ $(as_user cat "$M/file") == text ]]
    as_user fusermount3 -u "$M"
    wait_until 10 not_mounted
    rm -rf "$HOME_DIR"
}

@test "noexec, nosuid, nodev; without them the mount of root is as any other" {
    ((EUID == 0)) || skip "needs root"
    "$RAFTFS" mount "$D" "$M" 3>&- 4>&- </dev/null
    options=$(findmnt -no OPTIONS "$M")
    [[ ,$options, != *,nosuid,* && ,$options, != *,nodev,* ]]
    [[ ,$options, == *,allow_other,* ]]
    cp /bin/true "$M/true"
    "$M/true"
    umount "$M"
    wait_until 10 not_mounted
    "$RAFTFS" mount "$D" "$M" -o noexec,nosuid,nodev 3>&- 4>&- </dev/null
    options=$(findmnt -no OPTIONS "$M")
    [[ ,$options, == *,nosuid,* && ,$options, == *,nodev,* ]]
    [[ ,$options, == *,noexec,* ]]
    run "$M/true"
    [[ $status == 126 ]]
}

@test "birth times are shown, also of what is in .raftfs" {
    "$RAFTFS" mount "$D" "$M" 3>&- 4>&- </dev/null
    touch "$M/file"
    (($(stat -c %W "$M/file") > 0)) || skip "this kernel does not ask for them"
    touch -d 2001-02-03 "$M/file"
    (($(stat -c %W "$M/file") > $(stat -c %Y "$M/file")))
    (($(stat -c %W "$M/.raftfs/status") > 0))
    (($(stat -c %W "$M/.raftfs") > 0))
    [[ $(stat -c %F "$M/.raftfs") == directory ]]
}

@test "ro: everything can be read, nothing changed" {
    "$RAFTFS" mount "$D" "$M" 3>&- 4>&- </dev/null
    echo text >"$M/file"
    umount "$M" || fusermount3 -u "$M"
    wait_until 10 not_mounted
    "$RAFTFS" mount "$D" "$M" -o ro 3>&- 4>&- </dev/null
    [[ $(cat "$M/file") == text ]]
    run touch "$M/new"
    [[ $status != 0 && $output == *"Read-only"* ]]
}

@test "-o op_timeout counts more than the file and the cluster" {
    timeout_is() { [[ $("$RAFTFS" config get op_timeout_ms "$D") == "$1" ]]; }
    remount() {
        umount "$M" || fusermount3 -u "$M"
        wait_until 10 not_mounted
        "$RAFTFS" mount "$D" "$M" "$@" 3>&- 4>&- </dev/null
    }
    "$RAFTFS" mount "$D" "$M" -o op_timeout=2 3>&- 4>&- </dev/null
    timeout_is 2000
    "$RAFTFS" config set --cluster op_timeout_ms=5000 "$D"
    wait_until 5 timeout_is 5000
    remount
    timeout_is 5000
    remount -o op_timeout=2
    timeout_is 2000
}

@test "uid= and gid=: all belongs to one, here" {
    ((EUID == 0)) || skip "needs root"
    "$RAFTFS" mount "$D" "$M" 3>&- 4>&- </dev/null
    echo text >"$M/file"
    umount "$M"
    wait_until 10 not_mounted
    "$RAFTFS" mount "$D" "$M" -o uid=4711,gid=4712 3>&- 4>&- </dev/null
    [[ $(stat -c %u:%g "$M/file") == 4711:4712 ]]
    (cd "$M" && setpriv --reuid 4711 --regid 4712 --clear-groups \
        sh -c "echo more >>file && mkdir dir")
    run chown 1 "$M/file"
    [[ $status != 0 && $output == *"not permitted"* ]]
    chown 4711:4712 "$M/file"
    umount "$M"
    wait_until 10 not_mounted
    "$RAFTFS" mount "$D" "$M" 3>&- 4>&- </dev/null
    [[ $(stat -c %u:%g "$M/file") == 0:0 ]]
    [[ $(stat -c %u:%g "$M/dir") == 4711:4712 ]]
}

@test "mount.raftfs serves fstab: its own options are taken out" {
    ((EUID == 0)) || skip "mount.raftfs is for root"
    PATH=$(dirname "$RAFTFS"):$PATH
    "$ROOT/mount-helpers/mount.raftfs" "$D" "$M" -o \
        rw,_netdev,nofail,x-systemd.automount,op_timeout=5,allow_other \
        3>&- 4>&- </dev/null
    is_mounted
    echo text >"$M/file"
}

#!/usr/bin/env bats
# Much of one thing: names, levels, entries, appends; and no room left.
# RAFTFS_TEST_TIMES=50 makes them fifty times larger.
load ../lib/cluster

TIMES=${RAFTFS_TEST_TIMES:-1}

teardown() {
    cluster_down
    if mountpoint -q "${SMALL:-/nonexistent}"; then
        umount "$SMALL"
    fi
}

# small_disk NODE MIB: its data moves to a file system of that size.
small_disk() {
    ((EUID == 0)) || skip "mounting a small disk needs root"
    SMALL=$C/data/$1
    lab stop "$1"
    mv "$SMALL" "$SMALL.big"
    mkdir "$SMALL"
    mount -t tmpfs -o "size=$2m" tmpfs "$SMALL" || skip "no tmpfs"
    cp -a "$SMALL.big/." "$SMALL"
    rm -rf "$SMALL.big"
    lab start "$1"
    wait_until 20 serves "$1"
}

@test "a full disk is ENOSPC on every node, nothing is lost, and room can be made" {
    cluster_up 3
    local i free
    head -c 4000000 /dev/urandom >"$BATS_TEST_TMPDIR/bytes"
    small_disk n3 160
    fill() {
        for ((i = 0; i < 100; i++)); do
            cp "$BATS_TEST_TMPDIR/bytes" "$C/n1/d/f$i" || break
            echo "$i" >>"$BATS_TEST_TMPDIR/whole"
        done
    }
    run fill
    [[ $output == *"No space left on device"* ]]
    has_lines "$BATS_TEST_TMPDIR/whole" 10
    # All nodes say so, at once, and go on reading.
    for node in "${NODES[@]}"; do
        run touch "$C/$node/d/new"
        [[ $output == *"No space left on device"* ]]
        [[ $(df --output=avail "$C/$node" | tail -n 1) -eq 0 ]]
        for i in $(head -n 2 "$BATS_TEST_TMPDIR/whole") \
            $(tail -n 2 "$BATS_TEST_TMPDIR/whole"); do
            cmp "$BATS_TEST_TMPDIR/bytes" "$C/$node/d/f$i"
        done
    done
    [[ $(field n3 role) != faulted ]]
    # What gives room back is not refused.
    mkdir_again() { mkdir "$C/n2/d/again" 2>/dev/null; }
    rm "$C"/n2/d/f?*
    wait_until 60 mkdir_again
    cp "$BATS_TEST_TMPDIR/bytes" "$C/n3/d/again/f"
    cmp "$BATS_TEST_TMPDIR/bytes" "$C/n1/d/again/f"
    wait_converged
}

@test "names of every byte but / and NUL" {
    need_command python3
    cluster_up 3
    python3 - "$C/n1/d" "$C/n2/d" "$C/n3/d" <<'END'
import os, sys
one, two, three = (os.fsencode(p) for p in sys.argv[1:])
names = {bytes([b]) * (255 if b % 16 == 0 else 1) for b in range(1, 256)
         if b not in (0x2f, 0x2e)}
for name in names:
    with open(one + b"/" + name, "wb") as f:
        f.write(name)
assert set(os.listdir(two)) == names
for name in names:
    with open(three + b"/" + name, "rb") as f:
        assert f.read() == name
    os.unlink(two + b"/" + name)
assert os.listdir(one) == []
END
}

@test "hundreds of levels of directories" {
    need_command python3
    cluster_up 3
    local levels=$((200 * (TIMES < 5 ? TIMES : 5)))
    python3 - "$C/n1/d" $levels <<'END'
import os, sys
os.chdir(sys.argv[1])
for i in range(int(sys.argv[2])):
    os.mkdir("level")
    os.chdir("level")
open("bottom", "w").write("here")
END
    [[ $(find "$C/n2/d" | wc -l) == $((levels + 2)) ]]
    # Moved as a whole, and removed on yet another node.
    mkdir "$C/n3/d/other"
    mv "$C/n3/d/level" "$C/n3/d/other/level"
    [[ $(find "$C/n1/d/other" -name bottom | wc -l) == 1 ]]
    run mv -T "$C/n1/d/other" "$C/n1/d/other/level/level/in"
    [[ $status != 0 ]]
    rm -rf "$C/n2/d/other"
    [[ -z $(ls -A "$C/n1/d") ]]
}

@test "many files in one directory, removed while they are listed" {
    need_command python3
    cluster_up 3
    local count=$((1000 * TIMES))
    python3 - "$C/n1/d" "$C/n2/d" "$C/n3/d" "$count" <<'END'
import os, sys
one, two, three = sys.argv[1:4]
count = int(sys.argv[4])
kept = {"k%d" % i for i in range(count // 2)}
for i in range(count // 2):
    os.close(os.open(one + "/k%d" % i, os.O_CREAT | os.O_EXCL))
    os.close(os.open(one + "/g%d" % i, os.O_CREAT | os.O_EXCL))
assert len(os.listdir(two)) == count
# What is there throughout is listed once, whatever else goes meanwhile.
seen = []
for at, entry in enumerate(os.scandir(three)):
    seen.append(entry.name)
    if at < count // 2:
        os.unlink(two + "/g%d" % at)
assert len(seen) == len(set(seen)), "listed twice"
assert kept <= set(seen), "not listed"
assert set(os.listdir(one)) == kept
for name in os.listdir(three):
    os.unlink(three + "/" + name)
assert os.listdir(two) == []
END
}

@test "a file of many appended lines" {
    need_command python3
    cluster_up 3
    python3 - "$C/n1/d/f" "$C/n2/d/f" "$C/n3/d/f" $((1000 * TIMES)) <<'END'
import os, sys
fds = [os.open(p, os.O_WRONLY | os.O_CREAT | os.O_APPEND) for p in sys.argv[1:4]]
lines = [b"line %d\n" % i for i in range(int(sys.argv[4]))]
for i, line in enumerate(lines):
    assert os.write(fds[i % 3], line) == len(line)
for path in sys.argv[1:4]:
    assert open(path, "rb").read() == b"".join(lines)
END
    truncate -s 100 "$C/n2/d/f"
    [[ $(stat -c %s "$C/n3/d/f") == 100 ]]
    wait_converged
}

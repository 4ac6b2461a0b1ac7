#!/usr/bin/env bats
# 10. Extended attributes, access control lists, fallocate, copy_file_range: as on
# the local filesystem, and the same on every node.
load ../lib/cluster

# as_stranger NODE COMMAND...: in d, as a user who may not even walk to it.
as_stranger() {
    (cd "$C/$1/d" && shift &&
        setpriv --reuid 4711 --regid 4711 --clear-groups "$@")
}

# A directory of the local filesystem to compare with.
plain_up() {
    P=$BATS_TEST_TMPDIR/plain
    mkdir -p "$P"
    touch "$P/probe"
    setfacl -m u:1:r "$P/probe" 2>/dev/null ||
        skip "the local filesystem has no access control lists"
    setfattr -n user.probe -v 1 "$P/probe" 2>/dev/null ||
        skip "the local filesystem has no user attributes"
    rm "$P/probe"
}

# describe DIRECTORY: all that archives should keep. The size of directories is
# each filesystem's own business.
describe() {
    (
        cd "$1"
        find . ! -type d -printf '%p %y %m %n %U %G %s %T@ %l\n' | sort
        find . -type d -printf '%p %y %m %U %G\n' | sort
        find . ! -type l -print0 | sort -z | xargs -0 getfacl -n -p --
        find . ! -type l -print0 | sort -z |
            xargs -0 getfattr -h -d -m '^(user|trusted|security)\.' -e hex --
        find . -type f -print0 | sort -z | xargs -0 md5sum
    )
}

# The times of files made in two places differ.
describe_timeless() {
    describe "$1" | sed -E 's/ [0-9]{10}\.[0-9]+ / /'
}

# both SCRIPT: runs it in a plain directory and on n1; then all must look alike, on
# n2 and n3 too, and must have said the same.
both() {
    local node
    mkdir -p "$P/t" "$C/n1/d/t"
    (cd "$P/t" && bash -c "$1") >"$BATS_TEST_TMPDIR/said.plain" 2>&1 || true
    (cd "$C/n1/d/t" && bash -c "$1") >"$BATS_TEST_TMPDIR/said.n1" 2>&1 || true
    diff "$BATS_TEST_TMPDIR"/said.{plain,n1}
    describe_timeless "$P/t" >"$BATS_TEST_TMPDIR/is.plain"
    for node in "${NODES[@]}"; do
        describe_timeless "$C/$node/d/t" >"$BATS_TEST_TMPDIR/is.$node"
        diff "$BATS_TEST_TMPDIR"/is.{plain,"$node"}
    done
}

@test "attributes set on one node are those of all, errors as on the local filesystem" {
    need_command setfattr getfattr setfacl setpriv python3
    cluster_up 3 allow_other
    plain_up
    both '
        touch file; mkdir dir; ln -s file link
        setfattr -n user.one -v 1 file
        setfattr -n user.one -v changed file
        setfattr -n user.empty file
        setfattr -n user.with/slash -v x dir
        setfattr -n user.gone -v x dir
        setfattr -x user.gone dir
        setfattr -n trusted.t -v x file
        setfattr -h -n trusted.t -v x link
        setfattr -n security.s -v x file
        setfattr -h -n user.link -v x link; echo $?
        setfattr -x user.missing file; echo $?
        setfattr -n other.x -v x file; echo $?
        getfattr -n user.missing file; echo $?
        getfattr -n other.x file; echo $?
        getfattr -h -d -m - link
        for name in user. trusted. security. system.x system. x; do
            setfattr -n $name -v x file; setfattr -x $name file
            getfattr -n $name file
        done
        python3 - <<END
import errno, os
def attempt(what, *args, **kw):
    try:
        print(what.__name__, args[1:], what(*args, **kw))
    except OSError as e:
        print(what.__name__, args[1], errno.errorcode[e.errno])
for flags in (os.XATTR_CREATE, os.XATTR_REPLACE):
    for name in ("user.one", "user.none"):
        attempt(os.setxattr, "file", name, b"x", flags)
        attempt(os.getxattr, "file", name)
attempt(os.setxattr, "file", "user." + "n" * 250, b"x")
attempt(os.setxattr, "file", "user." + "n" * 251, b"x")
os.setxattr("file", "user.bytes", bytes(range(256)))
attempt(os.setxattr, "file", "system.posix_acl_access", b"garbage")
attempt(os.setxattr, "file", "system.posix_acl_default", b"\x02\0\0\0")
print(sorted(os.listxattr("file")))
END
        setpriv --reuid 4711 --regid 4711 --clear-groups getfattr -m - -d file
    '
    wait_converged
}

@test "64 KiB fit into an attribute, and reach a node that was away" {
    need_command python3
    cluster_up 3
    leader=$(leader_name)
    away=$(others "$leader" | head -n 1)
    node_kill "$away"
    wait_until 15 serves "$leader"
    python3 - "$C/$leader/d/file" <<'END'
import errno, os, sys
path = sys.argv[1]
open(path, "w").close()
value = bytes(i * 7 % 251 for i in range(65536))
os.setxattr(path, "user.large", value)
assert os.getxattr(path, "user.large") == value
try:
    os.setxattr(path, "user.larger", value + b"x")
    sys.exit("too large a value was taken")
except OSError as e:
    assert e.errno == errno.E2BIG, e
END
    node_start "$away"
    wait_converged
    for node in "${NODES[@]}"; do
        python3 - "$C/$node/d/file" <<'END'
import os, sys
value = bytes(i * 7 % 251 for i in range(65536))
assert os.getxattr(sys.argv[1], "user.large") == value
END
    done
}

@test "access control lists hold on every node at once" {
    need_command setfacl getfacl getfattr setpriv
    cluster_up 3 allow_other
    echo secret >"$C/n1/d/file"
    chmod 600 "$C/n1/d/file"
    for node in n1 n2 n3; do
        run as_stranger "$node" cat file
        [[ $status != 0 && $output == *"Permission denied"* ]]
    done
    setfacl -m u:4711:r "$C/n1/d/file"
    for node in n1 n2 n3; do
        [[ $(as_stranger "$node" cat file) == secret ]]
        run as_stranger "$node" bash -c 'echo more >>file'
        [[ $status != 0 ]]
    done
    # chmod changes the mask, which limits what the list grants.
    chmod 600 "$C/n2/d/file"
    for node in n1 n2 n3; do
        run as_stranger "$node" cat file
        [[ $status != 0 ]]
        getfacl -n "$C/$node/d/file" 2>/dev/null | grep '^mask::---'
    done
    setfacl -m m::rw,u:4711:rw "$C/n3/d/file"
    as_stranger n1 bash -c 'echo more >>file'
    [[ $(stat -c %a "$C/n2/d/file") == 660 ]]
    setfacl -b "$C/n2/d/file"
    for node in n1 n2 n3; do
        run as_stranger "$node" cat file
        [[ $status != 0 ]]
        [[ $(getfattr -d -m - "$C/$node/d/file") == "" ]]
    done
    wait_converged
}

@test "access control lists change and are inherited as on the local filesystem" {
    need_command setfacl getfacl setfattr getfattr setpriv mkfifo
    cluster_up 3 allow_other
    plain_up
    both '
        mkdir a; setfacl -d -m u:4711:rwx,g:4712:rx,o::- a
        for mask in 000 022 077 027; do
            umask $mask
            touch a/f$mask; mkdir a/d$mask; mkfifo a/p$mask; ln -s x a/l$mask
            touch a/d$mask/f; mkdir a/d$mask/d
            mknod -m 640 a/c$mask c 1 3
            touch f$mask; mkdir d$mask; mkdir -m 1775 s$mask
        done
        mkdir b; setfacl -d -m u::rwx,g::rx,o::r b; touch b/f; mkdir b/d
        mkdir c; setfacl -m d:u:1:r,d:m::x c; touch c/f; mkdir c/d
        setfacl -k c; touch c/after
        mkdir g; chgrp 4712 g; chmod 2775 g; setfacl -d -m g:1:rwx g
        touch g/f; mkdir g/d; setfacl -m g:2:rw g/d
        touch m; chmod 4755 m; setfacl -m u:1:rwx m; chmod 751 m; chmod g-x m
        cp a/f022 copied; cp -p a/f022 kept; install -m 750 m installed
        setfacl -m u::rw,g::r,o::- m; setfacl -b m; setfacl -x u:4711 a/f000
        setfacl -d -m u:1:r m; echo $?
        mv a/f077 moved; ln a/f027 linked
        # set-gid stays with those who are of the group
        touch gid1 gid2 gid3; chown 4711:4712 gid?; chmod 2755 gid?
        as="setpriv --reuid 4711 --regid 4711"
        $as --clear-groups setfacl -m u:1:r gid1
        $as --groups 4712 setfacl -m u:1:r gid2
        $as --clear-groups setfacl -m u::rwx,g::r,o::r gid3
        $as --clear-groups setfacl -m u:1:r m; echo $?
        $as --clear-groups touch a/by-stranger
    '
    wait_converged
}

@test "cp -a, rsync -aHAX and tar keep attributes and lists, there and back" {
    need_command setfacl getfacl setfattr getfattr rsync tar
    cluster_up 3
    plain_up
    mkdir "$P/from"
    (
        cd "$P/from"
        mkdir -p dir/below
        echo one >dir/one && ln dir/one dir/hard && ln -s one dir/soft
        echo two >dir/below/two && mkfifo dir/fifo
        head -c 300000 /dev/urandom >dir/large
        setfattr -n user.a -v value dir/one
        setfattr -n user.dir -v 'a value' dir
        setfattr -n trusted.t -v t dir/large
        setfacl -m u:4711:rw,g:4712:r dir/one
        setfacl -d -m u:4711:rwx dir/below
        touch dir/below/inherits
        chmod 4751 dir/large && chmod 1777 dir/below
        touch -d '2001-02-03 04:05:06.789' dir/one dir/below
        # rsync leaves these as they are made when the second is right.
        touch -h -d '2001-02-03 04:05:07.5' dir/soft dir/fifo
    )
    mkdir "$C/n1/d/rsync" "$C/n1/d/tar"
    cp -a "$P/from" "$C/n1/d/cp"
    rsync -aHAX "$P/from/" "$C/n1/d/rsync/"
    tar -C "$P/from" --xattrs --xattrs-include='*' --acls -cf - . |
        tar -C "$C/n1/d/tar" --xattrs --xattrs-include='*' --acls -xpf -
    describe "$P/from" >"$BATS_TEST_TMPDIR/expected"
    for node in n1 n2 n3; do
        for way in cp rsync tar; do
            describe "$C/$node/d/$way" >"$BATS_TEST_TMPDIR/is"
            diff "$BATS_TEST_TMPDIR"/{expected,is}
        done
    done
    mkdir "$P"/{rsync,tar}
    cp -a "$C/n2/d/cp" "$P/cp"
    rsync -aHAX "$C/n2/d/cp/" "$P/rsync/"
    tar -C "$C/n2/d/cp" --xattrs --xattrs-include='*' --acls -cf - . |
        tar -C "$P/tar" --xattrs --xattrs-include='*' --acls -xpf -
    for way in cp rsync tar; do
        describe "$P/$way" >"$BATS_TEST_TMPDIR/is"
        diff "$BATS_TEST_TMPDIR"/{expected,is}
    done
    run rsync -aHAXnci --delete "$C/n2/d/cp/" "$C/n3/d/tar/"
    [[ $status == 0 && -z $output ]]
    wait_converged
}

@test "a capability ends with a write on any node" {
    need_command python3
    cluster_up 3
    capability='b"\x01\0\0\x02\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0"' # net_bind_service
    has() {
        python3 -c 'import os, sys
try: os.getxattr(sys.argv[1], "security.capability")
except OSError: sys.exit(1)' "$C/$1/d/program"
    }
    has_none() { ! { has n1 || has n2 || has n3; }; }
    grant() {
        python3 -c 'import os, sys
os.setxattr(sys.argv[1], "security.capability", '"$capability"')' "$C/$1/d/program"
        for node in n1 n2 n3; do has "$node"; done
    }
    cp /bin/true "$C/n1/d/program"
    chmod 755 "$C/n1/d/program"
    grant n1
    printf x >>"$C/n2/d/program"
    has_none
    grant n2
    truncate -s 100 "$C/n3/d/program"
    has_none
    grant n3
    chown 4711 "$C/n1/d/program"
    has_none
    grant n1
    chmod 700 "$C/n2/d/program"
    has n1 && has n2 && has n3
    wait_converged
}

@test "fallocate: sizes, holes and zeros as on the local filesystem" {
    need_command fallocate setfacl getfacl setfattr getfattr python3
    cluster_up 3
    plain_up
    both '
        head -c 100000 /usr/bin/env >a; cp a b; cp a c; cp a d; cp a e
        fallocate -l 200000 a
        fallocate -n -l 300000 b; stat -c %s b
        fallocate -p -o 5000 -l 50000 c
        fallocate -z -o 90000 -l 50000 d
        fallocate -z -n -o 90000 -l 50000 e; stat -c %s d e
        fallocate -l 1000 new; stat -c %s new
        mkdir dir; fallocate -l 10 dir; echo $?
        python3 -c "import os
f = os.open(\"posix\", os.O_RDWR | os.O_CREAT)
os.posix_fallocate(f, 100, 4096)
print(os.fstat(f).st_size)"
    '
    run fallocate -c -o 0 -l 4096 "$C/n1/d/t/a"
    [[ $status != 0 && $output == *"not supported"* ]]
    [[ $(stat -c %s "$C/n2/d/t/a") == 200000 ]]
    # What was punched takes no room.
    head -c 8388608 /dev/urandom >"$C/n1/d/large"
    before=$(stat -c %b "$C/n2/d/large")
    fallocate -p -o 1048576 -l 6291456 "$C/n3/d/large"
    after=$(stat -c %b "$C/n2/d/large")
    ((before * 512 == 8388608 && after * 512 == 2097152))
    wait_converged
}

@test "copy_file_range copies without bytes, and the copy is a file of its own" {
    need_command python3
    cluster_up 3
    head -c 30000000 /dev/urandom >"$BATS_TEST_TMPDIR/random"
    cp "$BATS_TEST_TMPDIR/random" "$C/n1/d/from"
    before=$(du -sk "$C/data/n2/segments" | cut -f1)
    python3 - "$C/n2/d" <<'END'
import errno, os, sys
os.chdir(sys.argv[1])
source = os.open("from", os.O_RDONLY)
size = os.fstat(source).st_size
copy = os.open("copy", os.O_RDWR | os.O_CREAT)
done = 0
while (n := os.copy_file_range(source, copy, size)) > 0:
    done += n
assert done == size, done
some = os.open("some", os.O_RDWR | os.O_CREAT)
os.write(some, b"-" * 100)
assert os.copy_file_range(source, some, 1000, 12345, 50) == 1000
assert os.copy_file_range(source, some, 1000, size - 10, 2000) == 10
assert os.copy_file_range(source, some, 1000, size, 2000) == 0
own = os.open("some", os.O_RDWR)
assert os.copy_file_range(some, own, 100, 0, 3000) == 100
try:
    os.copy_file_range(some, own, 100, 0, 50)
    sys.exit("an overlapping copy was made")
except OSError as e:
    assert e.errno == errno.EINVAL, e
END
    cp --reflink=auto "$C/n3/d/from" "$C/n3/d/reflink"
    after=$(du -sk "$C/data/n2/segments" | cut -f1)
    tell "segments of n2 went from $before to $after KiB by 60 MB of copies"
    ((after - before < 20000))
    python3 - "$BATS_TEST_TMPDIR/random" "$BATS_TEST_TMPDIR/some" <<'END'
import sys
bytes_ = open(sys.argv[1], "rb").read()
some = bytearray(b"-" * 100)
def put(at, what):
    some.extend(bytes(max(0, at + len(what) - len(some))))
    some[at:at + len(what)] = what
put(50, bytes_[12345:13345])
put(2000, bytes_[-10:])
put(3000, bytes(some[:100]))
open(sys.argv[2], "wb").write(some)
END
    for node in n1 n2 n3; do
        cmp "$BATS_TEST_TMPDIR/random" "$C/$node/d/copy"
        cmp "$BATS_TEST_TMPDIR/random" "$C/$node/d/reflink"
        cmp "$BATS_TEST_TMPDIR/some" "$C/$node/d/some"
    done
    # Neither follows the other.
    echo changed >"$C/n1/d/from"
    printf XXXX | dd of="$C/n2/d/copy" bs=1 seek=1000 conv=notrunc status=none
    cmp "$BATS_TEST_TMPDIR/random" "$C/n3/d/reflink"
    rm "$C/n3/d/from"
    cmp "$BATS_TEST_TMPDIR/random" "$C/n1/d/reflink"
    wait_converged
}

# Else a few calls make a file of so many pieces that all nodes stand still for it.
@test "one call copies no more pieces than all nodes do quickly" {
    need_command python3
    cluster_up 3
    python3 - "$C/n2/d/pieces" <<'END'
import os, sys
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
for i in range(256):
    os.pwrite(file, b"x", 2 * i)
size = 512
calls = []
while size < 32768:
    done = 0
    while done < size:
        copied = os.copy_file_range(file, file, size - done, done, size + done)
        assert copied > 0
        calls.append(copied)
        done += copied
    size *= 2
assert max(calls) <= 8192, calls
assert os.pread(file, size + 10, 0) == b"x\0" * (size // 2)
END
    cmp "$C/n2/d/pieces" "$C/n1/d/pieces"
    cmp "$C/n2/d/pieces" "$C/n3/d/pieces"
    wait_converged
}

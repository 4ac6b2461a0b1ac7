#!/usr/bin/env bats
# Real programs, alone and several at a time on different nodes.
# RAFTFS_TEST_TIMES=10 makes the longer ones ten times longer.
# RAFTFS_TEST_MIRROR=http://deb.debian.org/debian runs debootstrap too: 100 MB to
# fetch, and minutes.
load ../lib/cluster

TIMES=${RAFTFS_TEST_TIMES:-1}

git_() {
    git -c user.name=t -c user.email=t@example.org -c safe.directory='*' \
        -c gc.auto=0 "$@"
}

teardown() {
    if mountpoint -q "$BATS_TEST_TMPDIR/there"; then
        umount "$BATS_TEST_TMPDIR/there"
    fi
    cluster_down
}

wait_for_all() {
    local pid failed=0
    for pid in "$@"; do
        wait "$pid" || failed=$((failed + 1))
    done
    [[ $failed == 0 ]] || fail "$failed of $# failed"
}

@test "git: rebase, merge, worktree and gc, each on another node" {
    need_command git
    cluster_up 3
    local i
    cd "$C/n1/d"
    git_ init -q -b main r
    cd r
    for i in 1 2 3; do
        seq "$i" 200 >"f$i"
        git_ add . && git_ commit -qm "main $i"
    done
    cd "$C/n2/d/r"
    git_ checkout -qb side HEAD~1
    for i in 6 7; do
        seq "$i" 99 >"f$i"
        git_ add . && git_ commit -qm "side $i"
    done
    cd "$C/n3/d/r"
    git_ rebase -q main
    [[ $(git_ log --oneline | wc -l) == 5 ]]
    git_ worktree add -q ../w main
    cd "$C/n1/d/w"
    git_ merge -q --no-edit side
    echo more >>f1
    git_ commit -qam more
    cd "$C/n2/d/r"
    git_ gc -q --prune=now
    [[ -z $(find .git/objects -type f -path '*/??/*') ]]
    [[ $(git_ log --oneline main | wc -l) == 6 ]]
    cd "$C/n3/d"
    git_ clone -q r s
    for i in n1 n2 n3; do
        git_ -C "$C/$i/d/s" fsck --strict
        [[ -z $(git_ -C "$C/$i/d/r" status --porcelain) ]]
        [[ -z $(git_ -C "$C/$i/d/w" status --porcelain) ]]
    done
}

@test "git: commits from two nodes, index.lock lets one at a time" {
    need_command git
    cluster_up 3
    local node pids=() times=$((6 * TIMES))
    git_ init -q -b main "$C/n1/d/r"
    # Retried while the other one has index.lock or HEAD.
    commits() {
        local i
        cd "$C/$1/d/r"
        for ((i = 0; i < times; i++)); do
            until git_ commit -q --allow-empty -m "$1 $i" 2>>"$BATS_TEST_TMPDIR/$1"; do
                sleep 0.01
            done
        done
    }
    for node in n1 n2; do
        background commits "$node"
        pids+=("$!")
    done
    wait_for_all "${pids[@]}"
    cd "$C/n3/d/r"
    [[ $(git_ log --format=%s | sort -u | wc -l) == $((times * 2)) ]]
    [[ $(git_ log --format=%s | wc -l) == $((times * 2)) ]]
    git_ fsck --strict
    [[ ! -e .git/index.lock && ! -e .git/HEAD.lock ]]
}

# transfers NODE MODE TIMES: moves money between accounts.
transfers() {
    local i
    for ((i = 0; i < $3; i++)); do
        sqlite3 -bail "$C/$1/d/bank" >/dev/null <<END || return 1
.timeout 60000
pragma journal_mode=$2;
begin immediate;
update a set m = m - 7 where i = $((RANDOM % 20));
update a set m = m + 7 where i = (select (i + 3) % 20 from a
    where i = $((RANDOM % 20)));
insert into log values('$1', $i);
commit;
END
    done
}

@test "sqlite3: four writers on three nodes, in three journal modes" {
    need_command sqlite3
    cluster_up 3
    local mode pids times=$((5 * TIMES)) sum
    for mode in delete truncate persist; do
        rm -f "$C"/n1/d/bank*
        sqlite3 "$C/n1/d/bank" "pragma journal_mode=$mode;
            create table a(i integer primary key, m); create table log(w, n);
            with recursive n(i) as (select 0 union all select i + 1 from n
            where i < 19) insert into a select i, 100 from n"
        pids=()
        for node in n1 n2 n3 n2; do
            background transfers "$node" "$mode" "$times"
            pids+=("$!")
        done
        wait_for_all "${pids[@]}"
        for node in "${NODES[@]}"; do
            [[ $(sqlite3 "$C/$node/d/bank" 'pragma integrity_check') == ok ]]
            sum=$(sqlite3 "$C/$node/d/bank" \
                'select sum(m), (select count(*) from log) from a')
            [[ $sum == "2000|$((times * 4))" ]]
        done
    done
}

@test "sqlite3: WAL mode with writers and readers on one node" {
    need_command sqlite3
    cluster_up 3
    local pids=() times=$((8 * TIMES))
    sqlite3 "$C/n2/d/bank" 'pragma journal_mode=wal; create table log(w, n);
        create table a(i integer primary key, m); insert into a values(0, 2000)'
    for i in 1 2; do
        background transfers n2 wal "$times"
        pids+=("$!")
    done
    wait_for_all "${pids[@]}"
    [[ $(sqlite3 "$C/n2/d/bank" 'select count(*) from log') == $((times * 2)) ]]
    [[ $(sqlite3 "$C/n2/d/bank" 'pragma journal_mode=delete') == delete ]]
    [[ $(sqlite3 "$C/n3/d/bank" 'pragma integrity_check') == ok ]]
    [[ $(sqlite3 "$C/n3/d/bank" 'select count(*) from log') == $((times * 2)) ]]
}

@test "make -j2 on n1 and n2 builds what n3 runs" {
    need_command make cc
    cluster_up 3
    local i
    mkdir "$C/n1/d/p"
    cd "$C/n1/d/p"
    for i in $(seq 8); do
        printf '#include "all.h"\nint f%d(void) { return N + %d; }\n' "$i" "$i" \
            >"f$i.c"
    done
    echo '#define N 1' >all.h
    {
        printf 'int printf(const char *, ...);\n'
        seq -f 'int f%.0f(void);' 8
        printf 'int main(void) { printf("%%d\\n", 0'
        seq -f ' + f%.0f()' 8
        printf '); return 0; }\n'
    } >main.c
    cat >Makefile <<'END'
OBJECTS := $(patsubst %.c,%.o,$(wildcard f*.c))
main: main.o liball.a
	cc -o $@ main.o liball.a
liball.a: $(OBJECTS)
	rm -f $@; ar rcs $@ $(OBJECTS)
%.o: %.c all.h
	cc -c -o $@ $<
END
    make -s -j2
    [[ $("$C/n3/d/p/main") == 44 ]]
    cd "$C/n2/d/p"
    [[ $(make -j2) == *"is up to date"* ]]
    echo '#define N 2' >all.h
    make -s -j2
    [[ $("$C/n3/d/p/main") == 52 ]]
    cd "$C/n1/d/p"
    [[ $(make -j2) == *"is up to date"* ]]
}

@test "rsync -aHAX and tar with attributes go there and back" {
    need_command rsync setfacl setfattr
    cluster_up 3
    local from=$BATS_TEST_TMPDIR/from back=$BATS_TEST_TMPDIR/back
    mkdir -p "$from/dir/sub" "$back"
    (
        cd "$from"
        echo one >dir/one
        ln dir/one two
        ln -s dir/one three
        mkfifo pipe
        truncate -s 1M sparse
        echo end >>sparse
        chmod 02751 dir
        touch -d '2001-02-03 04:05:06.789' dir/one dir/sub
        setfattr -n user.note -v text dir/one || exit 5
        setfacl -m u:1000:rx dir/one dir || exit 5
        setfacl -d -m u:1000:rwx dir || exit 5
    ) || skip "the local filesystem has no attributes or lists"
    rsync -aHAX "$from/" "$C/n1/d/r/"
    [[ -z $(rsync -aHAXnci --delete "$from/" "$C/n2/d/r/") ]]
    rsync -aHAX "$C/n3/d/r/" "$back/"
    [[ -z $(rsync -aHAXnci --delete "$from/" "$back/") ]]
    [[ $(stat -c %h "$C/n2/d/r/two") == 2 ]]
    tar -C "$C/n2/d/r" --xattrs --acls -cSf "$BATS_TEST_TMPDIR/r.tar" .
    mkdir "$C/n3/d/t"
    tar -C "$C/n3/d/t" --xattrs --acls -xpSf "$BATS_TEST_TMPDIR/r.tar"
    [[ -z $(rsync -aHAXnci --delete "$from/" "$C/n1/d/t/") ]]
}

# Debian packages that are at hand, or can be fetched.
some_packages() {
    mkdir -p "$BATS_RUN_TMPDIR/debs"
    if ! compgen -G "$BATS_RUN_TMPDIR/debs/*.deb" >/dev/null; then
        find /var/cache/apt/archives -name '*.deb' -size -100k 2>/dev/null |
            sort | head -n 2 | xargs -r cp -t "$BATS_RUN_TMPDIR/debs"
    fi
    if ! compgen -G "$BATS_RUN_TMPDIR/debs/*.deb" >/dev/null; then
        (cd "$BATS_RUN_TMPDIR/debs" &&
            timeout 60 apt-get download -qq hostname netbase) \
            >/dev/null 2>&1 || true
    fi
    compgen -G "$BATS_RUN_TMPDIR/debs/*.deb"
}

@test "dpkg unpacks packages into the tree, and removes them on another node" {
    need_command dpkg dpkg-deb
    ((EUID == 0)) || skip "dpkg wants root"
    some_packages >/dev/null || skip "no packages at hand, and none to be had"
    cluster_up 3
    local deb name root=$C/n1/d/root
    mkdir -p "$root/var/lib/dpkg/"{info,updates,triggers,parts} "$root/etc" \
        "$C/n2/d/x" "$BATS_TEST_TMPDIR/x"
    touch "$root/var/lib/dpkg/"{status,available}
    for deb in $(some_packages); do
        dpkg -x "$deb" "$C/n2/d/x"
        dpkg -x "$deb" "$BATS_TEST_TMPDIR/x"
        dpkg --root="$root" --force-depends --force-script-chrootless \
            --unpack "$deb"
    done
    diff -r --no-dereference "$BATS_TEST_TMPDIR/x" "$C/n3/d/x"
    for deb in $(some_packages); do
        name=$(dpkg-deb -f "$deb" Package)
        dpkg --root="$C/n2/d/root" -L "$name" >"$BATS_TEST_TMPDIR/list"
        grep -q . "$BATS_TEST_TMPDIR/list"
        while read -r name; do
            [[ $name == /. || -e $C/n3/d/root$name || -L $C/n3/d/root$name ]]
        done <"$BATS_TEST_TMPDIR/list"
    done
}

@test "debootstrap makes a system on n1 that is whole and runs on n2" {
    [[ -n ${RAFTFS_TEST_MIRROR:-} ]] || skip "RAFTFS_TEST_MIRROR names no mirror"
    need_command debootstrap
    ((EUID == 0)) || skip "debootstrap wants root"
    cluster_up 3
    local root=$C/n2/d/root
    mkdir "$C/n1/d/root"
    debootstrap --variant=minbase "$(. /etc/os-release && echo "$VERSION_CODENAME")" \
        "$C/n1/d/root" "$RAFTFS_TEST_MIRROR" >"$BATS_TEST_TMPDIR/said" 2>&1 || {
        tail -n 20 "$BATS_TEST_TMPDIR/said"
        return 1
    }
    [[ -z $(chroot "$root" dpkg --audit) ]]
    [[ -z $(chroot "$root" dpkg --verify) ]]
    [[ $(chroot "$root" perl -e 'print 6 * 7') == 42 ]]
    tell "$(find "$C/n3/d/root" | wc -l) names," \
        "$(chroot "$root" dpkg-query -W | wc -l) packages"
    wait_converged
    same_trees n1 n2 n3
}

# A letter into the spool, the way mail programs of old do: link(2) decides.
deliver() {
    local i
    for ((i = 0; i < $2; i++)); do
        echo "$1.$i" >"spool.$1"
        until ln "spool.$1" spool.lock 2>/dev/null; do :; done
        printf 'From %s.%d\ntext of %s\n\n' "$1" "$i" "$1" >>spool
        rm spool.lock
    done
    rm "spool.$1"
}

@test "a mail spool with dotlocks made by link" {
    cluster_up 3
    local node pids=() times=$((10 * TIMES))
    for node in "${NODES[@]}"; do
        background eval "cd '$C/$node/d' && deliver $node $times"
        pids+=("$!")
    done
    wait_for_all "${pids[@]}"
    [[ $(ls -A "$C/n1/d") == spool ]]
    [[ $(awk -v RS= '!/^From (n[1-3])\.[0-9]+\ntext of n[1-3]$/ { bad++ }
        { letters++ } END { print letters, bad + 0 }' "$C/n2/d/spool") == \
        "$((times * 3)) 0" ]]
}

@test "logrotate on one node turns the log that another appends to" {
    need_command logrotate
    cluster_up 3
    local writer i lines
    cat >"$BATS_TEST_TMPDIR/conf" <<END
"$C/n1/d/log" {
    rotate 50
    nodateext
    create 0644
    nocompress
    missingok
    su root root
}
END
    ((EUID == 0)) || sed -i '/su root/d' "$BATS_TEST_TMPDIR/conf"
    touch "$C/n2/d/log"
    # As syslog, with one descriptor for a while; but it leaves the making of the
    # file to logrotate, which makes it a moment after the renaming.
    write_log() {
        local n=0
        while [[ ! -e $BATS_TEST_TMPDIR/stop ]]; do
            seq -f 'line %.0f' $((n + 1)) $((n + 5)) >"$BATS_TEST_TMPDIR/five"
            until dd if="$BATS_TEST_TMPDIR/five" of="$C/n2/d/log" oflag=append \
                bs=8 conv=notrunc,nocreat status=none 2>>"$BATS_TEST_TMPDIR/gaps"; do
                :
            done
            n=$((n + 5))
            echo "$n" >"$BATS_TEST_TMPDIR/written"
        done
    }
    background write_log
    writer=$!
    for ((i = 0; i < 3; i++)); do
        lines=$(cat "$BATS_TEST_TMPDIR/written" 2>/dev/null || echo 0)
        more() { (($(cat "$BATS_TEST_TMPDIR/written" || echo 0) > lines)); }
        wait_until 10 more
        logrotate -f -s "$BATS_TEST_TMPDIR/state" "$BATS_TEST_TMPDIR/conf"
    done
    touch "$BATS_TEST_TMPDIR/stop"
    wait "$writer"
    # shellcheck disable=SC2012
    cat $(ls -v "$C"/n3/d/log.* | tac) "$C/n3/d/log" >"$BATS_TEST_TMPDIR/all"
    diff <(seq -f 'line %.0f' "$(cat "$BATS_TEST_TMPDIR/written")") \
        "$BATS_TEST_TMPDIR/all"
    [[ $(ls "$C"/n3/d/log.* | wc -l) == 3 ]]
}

@test "a filesystem in a file of the tree, and one that is laid over it" {
    ((EUID == 0)) || skip "mounting needs root"
    need_command mkfs.ext4 e2fsck
    cluster_up 3
    local there=$BATS_TEST_TMPDIR/there
    mkdir "$there" "$C/n1/d/"{below,above,work}
    truncate -s 16M "$C/n1/d/image"
    mkfs.ext4 -q -F "$C/n1/d/image"
    mount -o loop "$C/n2/d/image" "$there" || skip "no loop devices"
    cp -r "$ROOT/tests/posix" "$there/"
    umount "$there"
    e2fsck -fn "$C/n3/d/image"
    mount -o loop,ro "$C/n1/d/image" "$there"
    diff -r "$ROOT/tests/posix" "$there/posix"
    umount "$there"
    echo below >"$C/n2/d/below/f"
    echo gone >"$C/n2/d/below/g"
    mount -t overlay overlay "$there" -o "lowerdir=$C/n1/d/below" \
        -o "upperdir=$C/n1/d/above,workdir=$C/n1/d/work" || skip "no overlays"
    echo above >>"$there/f"
    rm "$there/g"
    [[ $(<"$there/f") == below$'\n'above && ! -e $there/g ]]
    umount "$there"
    [[ $(<"$C/n3/d/below/f") == below ]]
    [[ $(<"$C/n2/d/above/f") == below$'\n'above ]]
    [[ -c $C/n3/d/above/g ]] # a whiteout
}

@test "patch, sed -i, cp -a, install, mv and find -delete" {
    need_command patch
    cluster_up 3
    mkdir "$C/n1/d/s"
    seq 100 >"$C/n1/d/s/text"
    sed 's/^50$/fifty/' "$C/n1/d/s/text" >"$BATS_TEST_TMPDIR/new"
    diff -u "$C/n1/d/s/text" "$BATS_TEST_TMPDIR/new" >"$BATS_TEST_TMPDIR/p" || true
    patch -s "$C/n2/d/s/text" "$BATS_TEST_TMPDIR/p"
    cmp "$C/n3/d/s/text" "$BATS_TEST_TMPDIR/new"
    sed -i 's/^fifty$/50/' "$C/n3/d/s/text"
    diff <(seq 100) "$C/n1/d/s/text"
    cp -a "$C/n2/d/s" "$C/n2/d/copy"
    install -m 0640 "$C/n1/d/s/text" "$C/n1/d/copy/other"
    [[ $(stat -c %a "$C/n3/d/copy/other") == 640 ]]
    mv "$C/n3/d/copy" "$BATS_TEST_TMPDIR/out"
    [[ ! -e $C/n1/d/copy ]]
    mv "$BATS_TEST_TMPDIR/out" "$C/n1/d/in"
    diff <(seq 100) "$C/n2/d/in/other"
    find "$C/n2/d/in" "$C/n2/d/s" -delete
    [[ -z $(ls -A "$C/n3/d") ]]
}

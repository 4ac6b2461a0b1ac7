#!/usr/bin/env bats
# 1. Real programs and real data on three mounts of one tree.
load ../lib/cluster

git_() { git -c user.name=t -c user.email=t@example.org -c safe.directory='*' "$@"; }

# Prints the tar of a tree of real files: over 5,000, or a few when quick.
pack_real_tree() {
    local most=5050 source
    if quick; then
        most=300
    fi
    for source in usr/include usr/share/doc usr/share usr/lib; do
        printf 'd %s\n' usr usr/share usr/lib
        (cd / && find "$source" -xdev \( -type f -size -64k -o -type l \
            -o -type d \) -printf '%y %p\n' 2>/dev/null)
    done | awk -v most="$most" '!seen[$0]++ { print substr($0, 3) }
            /^f/ && ++files == most { exit }' |
        tar -C / --no-recursion -cf - -T - 2>/dev/null
}

# Names, times, modes, owners, link targets and checksums: no difference.
rsync_finds_nothing() {
    local differences
    differences=$(rsync -anci --delete "$1" "$2")
    [[ -z $differences ]] || fail "$(head -n 20 <<<"$differences")"
}

@test "a tree of real files unpacked on n1 is the same on n2 and n3" {
    need_command rsync
    cluster_up 3
    pack_real_tree >"$BATS_TEST_TMPDIR/real.tar"
    began=$(now_ms)
    tar -C "$C/n1/d" -xf "$BATS_TEST_TMPDIR/real.tar"
    took=$(($(now_ms) - began))
    files=$(find "$C/n1/d" -type f | wc -l)
    tell "unpacked $files files in $took ms"
    quick || ((files > 5000)) || fail "only $files files are here"

    mkdir "$BATS_TEST_TMPDIR/plain"
    tar -C "$BATS_TEST_TMPDIR/plain" -xf "$BATS_TEST_TMPDIR/real.tar"
    for node in "${NODES[@]}"; do
        diff -r --no-dereference "$BATS_TEST_TMPDIR/plain" "$C/$node/d"
    done
    for node in n2 n3; do
        rsync_finds_nothing "$BATS_TEST_TMPDIR/plain/usr/" "$C/$node/d/usr/"
        diff <(cd "$C/n1" && find . -ls | sort -k 11) \
            <(cd "$C/$node" && find . -ls | sort -k 11)
    done
    wait_converged
}

@test "git clone on n2, make on n3 sees the commits of n2" {
    need_command git make cc
    cluster_up 3
    mkdir "$BATS_TEST_TMPDIR/origin"
    cd "$BATS_TEST_TMPDIR/origin"
    git_ init -q .
    cat >main.c <<'END'
#include <stdio.h>
#include "text.h"
int main(void) { puts(TEXT); return 0; }
END
    echo '#define TEXT "first"' >text.h
    printf 'main: main.o\n\tcc -o main main.o\nmain.o: main.c text.h\n' >Makefile
    git_ add . && git_ commit -qm first

    git_ clone -q "$BATS_TEST_TMPDIR/origin" "$C/n2/d/project"
    cd "$C/n3/d/project"
    make
    [[ $(./main) == first ]]

    cd "$C/n2/d/project"
    echo '#define TEXT "second"' >text.h
    git_ commit -qam second
    cd "$C/n3/d/project"
    [[ $(git_ log -1 --format=%s) == second ]]
    [[ -z $(git_ status --porcelain --untracked-files=no) ]]
    make
    [[ $(./main) == second ]]
    [[ $("$C/n1/d/project/main") == second ]]
    git_ fsck --strict
}

@test "an sqlite3 database in rollback-journal mode" {
    need_command sqlite3
    cluster_up 3
    sqlite3 "$C/n1/d/db" 'pragma journal_mode=delete; create table t(a, b);
        with recursive n(i) as (select 1 union all select i + 1 from n
        where i < 2000) insert into t select i, hex(randomblob(50)) from n;'
    [[ $(sqlite3 "$C/n2/d/db" 'select count(*), sum(a) from t') == "2000|2001000" ]]
    sqlite3 "$C/n2/d/db" 'begin; delete from t where a % 2; update t set b = a;
        commit; vacuum;'
    for i in 1 2 3 4 5; do
        sqlite3 "$C/n$((i % 3 + 1))/d/db" "insert into t values($i, 'x')"
    done
    for node in "${NODES[@]}"; do
        [[ $(sqlite3 "$C/$node/d/db" 'pragma integrity_check') == ok ]]
        [[ $(sqlite3 "$C/$node/d/db" 'select count(*) from t') == 1005 ]]
    done
    # A transaction that is given up leaves nothing.
    sqlite3 "$C/n3/d/db" 'begin; delete from t; rollback;'
    [[ $(sqlite3 "$C/n1/d/db" 'select count(*) from t') == 1005 ]]
    [[ ! -e $C/n1/d/db-journal ]]
}

@test "vim saves a file that all nodes then see" {
    vim=$(command -v vim || command -v vim.tiny) || skip "vim is not installed"
    cluster_up 3
    printf 'one\ntwo\n' >"$C/n1/d/text"
    for backup in "set backupcopy=no" "set backupcopy=yes" "set nowritebackup"; do
        "$vim" -u NONE -i NONE -es -c "$backup" -c 's/^/x/' -c wq \
            "$C/n2/d/text" </dev/null
        for node in "${NODES[@]}"; do
            cmp "$C/n2/d/text" "$C/$node/d/text"
        done
    done
    [[ $(tail -n 1 "$C/n3/d/text") == xxxtwo ]]
    # Neither a swap file nor a backup is left.
    [[ $(ls -A "$C/n3/d") == text ]]
}

@test "rename over a file: readers on other nodes see the old or the new one" {
    cluster_up 3
    echo 0 >"$C/n1/d/conf"
    : >"$BATS_TEST_TMPDIR/seen"
    reader() {
        while true; do
            cat "$C/n3/d/conf" || echo "cannot read"
        done >>"$BATS_TEST_TMPDIR/seen" 2>&1
    }
    background reader
    for i in $(seq 1 100); do
        echo "$i" >"$C/n2/d/conf.new"
        mv "$C/n2/d/conf.new" "$C/n2/d/conf"
        [[ $(cat "$C/n1/d/conf") == "$i" ]]
    done
    seen_last() { [[ $(tail -n 1 "$BATS_TEST_TMPDIR/seen") == 100 ]]; }
    wait_until 5 seen_last
    end_background
    # Whole numbers that never go back.
    run grep -vE '^[0-9]+$' "$BATS_TEST_TMPDIR/seen"
    [[ $status == 1 ]]
    sort -nc "$BATS_TEST_TMPDIR/seen"
}

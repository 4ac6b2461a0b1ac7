#!/usr/bin/env bats
# The command line, as far as it needs no mount and no root.
load ../lib/cluster

setup() {
    D=$BATS_TEST_TMPDIR/n1
    PORT=$(free_port_base)
    C=""
}

init() { "$RAFTFS" init "$D" --name n1 --listen "127.0.0.1:$PORT" "$@"; }
# expect STATUS COMMAND...
expect() {
    local want=$1
    shift
    run "$@"
    [[ $status == "$want" ]] || fail "ended with $status, not $want: $*: $output"
}

@test "raftfs without arguments, or with unknown ones, is wrong usage" {
    expect 100 "$RAFTFS"
    [[ $output == *usage* || $output == *Usage* ]]
    expect 100 "$RAFTFS" frobnicate
    [[ $output == *frobnicate* ]]
    expect 100 "$RAFTFS" --frobnicate
    [[ $output == *frobnicate* ]]
}

@test "--help everywhere, on standard output" {
    expect 0 "$RAFTFS" --help
    for command in init mount run status log member transfer version; do
        [[ $output == *"$command"* ]]
    done
    for command in init mount run status log member transfer version fault; do
        run "$RAFTFS" "$command" --help
        [[ $status == 0 && $output == *"$command"* ]]
        [[ -z $("$RAFTFS" "$command" --help 2>&1 >/dev/null) ]]
    done
}

@test "unknown options are errors that name the option" {
    for command in init mount run status log member transfer version; do
        expect 100 "$RAFTFS" "$command" --frobnicate
        [[ $output == *--frobnicate* ]]
    done
    init
    expect 100 "$RAFTFS" mount "$D" "$BATS_TEST_TMPDIR" -o frobnicate=1
    [[ $output == *frobnicate* ]]
    expect 100 "$RAFTFS" mount "$D" "$BATS_TEST_TMPDIR" -o op_timeout=soon
    [[ $output == *op_timeout* ]]
    expect 100 "$RAFTFS" mount "$D" "$BATS_TEST_TMPDIR" -o reads=sometimes
    [[ $output == *reads* ]]
}

completions() { # what the shell offers for the last of these words
    bash -c 'source "$1"; shift; COMP_WORDS=(raftfs "$@"); COMP_CWORD=$#
        _raftfs; printf "%s\n" "${COMPREPLY[@]}"' - \
        "$ROOT/mount-helpers/raftfs.bash-completion" "$@"
}
# All of it, as --help or the source has it.
@test "man page, completion and docs/operating.md name what there is" {
    local manual=$ROOT/mount-helpers/raftfs.1 command word part
    for command in $("$RAFTFS" help | sed -nE 's/^  ([a-z]+) .*/\1/p'); do
        completions "" | grep -qxF -- "$command"
        [[ $command != help ]] || continue
        part=$(sed -n "/^\.SS raftfs $command\$/,/^\.S[SH] /p" "$manual" |
            sed 's/\\-/-/g')
        [[ -n $part ]] || fail "the man page has no $command"
        for word in $("$RAFTFS" "$command" --help |
            sed -nE 's/^  (-[a-z], |    )(--[a-z-]+).*/\2/p'); do
            completions "$command" -- | grep -qxF -- "$word" ||
                fail "no completion of $command $word"
            [[ $word == --help || $part == *"$word"* ]] ||
                fail "the man page has no $command $word"
        done
        grep -q "^.B raftfs $command\$" "$manual" ||
            fail "no synopsis of $command"
    done
    for word in $(sed -nE 's/.*X\(EVENT_[A-Z_]+, "([a-z-]+)".*/\1/p' "$ROOT/raft/hull/event.h"); do
        grep -qF "\`$word\`" "$ROOT/docs/operating.md" || fail "event $word"
    done
    for word in $(sed -nE 's/^    \{"([a-z_]+)", offsetof.*/\1/p' "$ROOT/raft/json/config.c"); do
        grep -q "^| .*\`$word\`" "$ROOT/docs/operating.md" || fail "key $word"
    done
    for word in $(sed -nE 's/.*X\(FAIL_[A-Z_]+, "([a-z-]+)".*/\1/p' "$ROOT/fs/faults.h"); do
        "$RAFTFS" fault --help | grep -qw -- "$word" || fail "point $word"
        completions fault D fail "" | grep -qxF -- "$word" || fail "point $word"
        grep -qw -- "$word" "$manual" || fail "point $word"
    done
}

@test "version prints name and version" {
    expect 0 "$RAFTFS" version
    [[ $output =~ ^raftfs\ [0-9]+\.[0-9]+\.[0-9]+ ]]
}

@test "init writes a readable configuration" {
    init --peer "n2=127.0.0.1:$((PORT + 1))" --peer "n3=[::1]:$((PORT + 2))"
    jq -e ".name == \"n1\" and .listen == \"127.0.0.1:$PORT\"" "$D/raftfs.json"
    grep -q n3 "$D/raftfs.json"
    [[ -f $D/log.db && -f $D/tree.db ]]
}

@test "init does not touch a node that is there" {
    init
    before=$(sha256sum "$D/log.db" "$D/raftfs.json")
    expect 1 init
    [[ $before == "$(sha256sum "$D/log.db" "$D/raftfs.json")" ]]
}

@test "init refuses what makes no sense, and says what" {
    expect 100 "$RAFTFS" init
    expect 100 "$RAFTFS" init "$D"
    expect 100 "$RAFTFS" init "$D" --name n1 --listen nonsense
    [[ $output == *nonsense* || $output == *listen* ]]
    expect 100 "$RAFTFS" init "$D" --name "a/b" --listen "127.0.0.1:$PORT"
    [[ $output == *name* ]]
    expect 100 "$RAFTFS" init "$D" --name n1 --listen "127.0.0.1:$PORT" --peer n2
    [[ $output == *peer* || $output == *n2* ]]
    expect 100 "$RAFTFS" init "$D" --name n1 --listen "127.0.0.1:$PORT" \
        --peer "n1=127.0.0.1:$((PORT + 1))"
    [[ $output == *n1* ]]
    [[ ! -e $D/raftfs.json ]]
    expect 111 "$RAFTFS" init /proc/no/such/place --name n1 \
        --listen "127.0.0.1:$PORT"
}

@test "a wrong configuration is refused with the key's name" {
    init
    jq '.election_ms = "soon"' "$D/raftfs.json" >"$D/new"
    mv "$D/new" "$D/raftfs.json"
    expect 100 "$RAFTFS" run "$D"
    [[ $output == *election_ms* ]]
    echo '{' >"$D/raftfs.json"
    expect 100 "$RAFTFS" run "$D"
    [[ $output == *raftfs.json* ]]
}

@test "commands on what is no node say so" {
    for command in run status log; do
        run "$RAFTFS" "$command" "$BATS_TEST_TMPDIR/nothing"
        [[ $status != 0 && $output == *nothing* ]]
    done
    run "$RAFTFS" mount "$BATS_TEST_TMPDIR/nothing" "$BATS_TEST_TMPDIR"
    [[ $status != 0 && $output == *nothing* ]]
}

@test "status of a node that does not run says so" {
    init
    expect 1 "$RAFTFS" status "$D"
    [[ $output == *"not running"* ]]
}

leads() { [[ $("$RAFTFS" status "$D" --json 2>/dev/null | jq -r .role) == leader ]]; }

@test "a node without a mount: runs, answers status, ends with 0 on SIGTERM" {
    init
    background "$RAFTFS" run "$D"
    pid=$!
    wait_until 10 leads
    expect 0 "$RAFTFS" status "$D"
    [[ $output == *leader* ]]
    jq -e '.name == "n1" and .term >= 1 and .applied <= .commit' \
        <<<"$("$RAFTFS" status "$D" --json)"
    kill -TERM "$pid"
    wait "$pid" # with 0
    expect 1 "$RAFTFS" status "$D"
}

@test "one data directory is one node: a second process is refused" {
    init
    background "$RAFTFS" run "$D"
    wait_until 10 leads
    run "$RAFTFS" run "$D"
    [[ $status != 0 && $output == *"in use"* ]]
    leads
}

@test "an address that is taken is said" {
    init
    background "$RAFTFS" run "$D"
    wait_until 10 leads
    "$RAFTFS" init "$D.2" --name n1 --listen "127.0.0.1:$PORT"
    expect 111 "$RAFTFS" run "$D.2"
    [[ $output == *"$PORT"* ]]
}

@test "faults are refused unless the node was started for them" {
    init --peer "n2=127.0.0.1:$((PORT + 1))"
    background "$RAFTFS" run "$D"
    wait_until 10 "$RAFTFS" status "$D"
    run "$RAFTFS" fault "$D" cut n2
    [[ $status != 0 && $output == *allow-faults* ]]
}

@test "log shows records, as text and as JSON" {
    init
    background "$RAFTFS" run "$D"
    pid=$!
    wait_until 10 leads
    expect 0 "$RAFTFS" log "$D"
    [[ -n $output ]]
    "$RAFTFS" log "$D" --json | jq -es 'length > 0 and .[0].index == 1
        and all(.[]; .term >= 1)'
    kill "$pid"
    wait "$pid"
    # Also when the node does not run, and from any record on.
    expect 0 "$RAFTFS" log "$D"
    [[ $("$RAFTFS" log "$D" --from 1000000 --json | wc -l) == 0 ]]
    expect 100 "$RAFTFS" log "$D" --from yesterday
}

@test "orders that make no sense are wrong usage" {
    expect 100 "$RAFTFS" member frobnicate n2 "$D"
    [[ $output == *frobnicate* ]]
    expect 100 "$RAFTFS" member add
    expect 100 "$RAFTFS" member add n2 "$D"
    expect 100 "$RAFTFS" member add n2=nowhere "$D"
    expect 100 "$RAFTFS" member remove "n2=127.0.0.1:1" "$D"
    expect 100 "$RAFTFS" member priority n2 256 "$D"
    expect 100 "$RAFTFS" member remove n2 "$D" --timeout soon
    init
    expect 1 "$RAFTFS" member list "$D"
    [[ $output == *"not running"* ]]
    expect 1 "$RAFTFS" transfer "$D"
}

@test "a node is made for a cluster that is there, and added" {
    init
    # Nobody answers; with the id nobody has to.
    expect 1 "$RAFTFS" init "$D.2" --name n2 --listen "127.0.0.1:$((PORT + 1))" \
        --join "n1=127.0.0.1:$PORT"
    [[ $output == *"cannot be reached"* && ! -e $D.2 ]]
    background "$RAFTFS" run "$D"
    wait_until 10 leads
    expect 1 "$RAFTFS" init "$D.2" --name n2 --listen "127.0.0.1:$((PORT + 1))" \
        --join "n9=127.0.0.1:$PORT"
    [[ $output == *"is n1, not n9"* ]]
    "$RAFTFS" init "$D.2" --name n2 --listen "127.0.0.1:$((PORT + 1))" \
        --join "n1=127.0.0.1:$PORT"
    [[ $(jq -r .cluster_id "$D.2/raftfs.json") == $(jq -r .cluster_id "$D/raftfs.json") ]]
    background "$RAFTFS" run "$D.2"
    waits() { "$RAFTFS" status "$D.2" | grep -q "member add n2="; }
    wait_until 10 waits
    expect 0 "$RAFTFS" member add "n2=127.0.0.1:$((PORT + 1))" "$D" --timeout 20
    both() {
        "$RAFTFS" member list "$D.2" --json |
            jq -e '[.committed[] | select(.role == "voter") | .name] == ["n1", "n2"]'
    }
    wait_until 10 both # it hears of the commit a moment later
}

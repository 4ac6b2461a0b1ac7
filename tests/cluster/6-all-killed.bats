#!/usr/bin/env bats
# 6. kill -9 of every node at once, under load: what was acknowledged is there.
load ../lib/cluster

# Makes files, directories, links and renames, and writes down what succeeded.
maker() {
    local node=$1 dir=$C/$1/d/$1 i
    for ((i = 1; i < 100000; i++)); do
        {
            echo "contents $i" >"$dir/f$i" && echo "file f$i contents $i" >&6
            mkdir "$dir/d$i" && echo "dir d$i" >&6
            ln "$dir/f$i" "$dir/d$i/l" && echo "file d$i/l contents $i" >&6
            mv "$dir/d$i" "$dir/m$i" && echo "gone d$i" >&6 &&
                echo "file m$i/l contents $i" >&6
            # More than fits into a log record: its bytes are in a segment.
            head -c 20000 "$BATS_TEST_TMPDIR/random" >"$dir/big$i" &&
                echo "big big$i" >&6
        } 2>/dev/null
        # A dead mount: nothing more will succeed.
        [[ -d $dir ]] || return 0
    done 6>>"$BATS_TEST_TMPDIR/made.$node"
}

check_made() {
    local node=$1 of dir kind name rest gone
    for of in "${NODES[@]}"; do
        dir=$C/$node/d/$of
        gone=" $(sed -n 's/^gone //p' "$BATS_TEST_TMPDIR/made.$of" | tr '\n' ' ')"
        while read -r kind name rest; do
            if [[ $gone == *" ${name%/l} "* ]]; then
                continue # renamed since
            fi
            case $kind in
            file)
                # The last rename may have been done without an answer.
                [[ $name == d*/l && -d $dir/m${name:1:-2} ]] && continue
                [[ $(cat "$dir/$name") == "$rest" ]] ||
                    fail "$node lost $of/$name" || return 1
                ;;
            dir)
                [[ -d $dir/$name || -d $dir/m${name:1} ]] ||
                    fail "$node lost $of/$name" || return 1
                ;;
            big)
                cmp "$dir/$name" <(head -c 20000 "$BATS_TEST_TMPDIR/random") ||
                    return 1
                ;;
            esac
        done <"$BATS_TEST_TMPDIR/made.$of"
    done
}

@test "all nodes killed at once under load, three times over" {
    cluster_up 3
    head -c 20000 /dev/urandom >"$BATS_TEST_TMPDIR/random"
    mkdir "$C/n1/d/n1" "$C/n1/d/n2" "$C/n1/d/n3"
    rounds=3
    quick && rounds=1
    for ((round = 1; round <= rounds; round++)); do
        for node in "${NODES[@]}"; do
            # Names of their own in every round.
            rm -rf "$C/$node/d/$node" && mkdir "$C/$node/d/$node"
            rm -f "$BATS_TEST_TMPDIR/made.$node" "$BATS_TEST_TMPDIR/acks.$node"
            rm -f "$C/$node/d/log"
        done
        for node in "${NODES[@]}"; do
            background maker "$node"
            appender "$node" 1000000
        done
        wait_until 60 acked 100 "${NODES[@]}"
        for node in "${NODES[@]}"; do
            wait_until 60 has_lines "$BATS_TEST_TMPDIR/made.$node" 100
        done
        node_kill "${NODES[@]}"
        end_background
        node_start "${NODES[@]}"
        wait_converged
        for node in "${NODES[@]}"; do
            check_appends "$C/$node/d/log"
            check_made "$node"
        done
        same_trees "${NODES[@]}"
        tell "round $round: $(acks | wc -l) lines and $(cat \
            "$BATS_TEST_TMPDIR"/made.* | wc -l) other changes are there"
    done
}

@test "a cluster of one killed under load" {
    cluster_up 1
    appender n1 1000000
    wait_until 30 acked 200 n1
    node_kill n1
    end_background
    node_start n1
    wait_until 10 serves n1
    check_appends "$C/n1/d/log"
}

@test "a node killed again and again catches up every time" {
    cluster_up 3
    leader=$(leader_name)
    # shellcheck disable=SC2046
    set -- $(others "$leader")
    appender "$leader" 1000000
    for round in 1 2 3 4 5; do
        at=$(wc -l <"$BATS_TEST_TMPDIR/acks.$leader" || echo 0)
        wait_until 20 acked $((at + 40)) "$leader"
        node_kill "$1"
        node_start "$1"
    done
    end_background
    wait_converged
    check_appends "$C/$1/d/log"
}

#!/usr/bin/env bats
# The lab does what its help says.
load ../lib/cluster

@test "lab --help, unknown commands and nodes" {
    C=$BATS_TEST_TMPDIR/c
    run "$LAB" --help
    [[ $status == 0 && $output == *"lab up"* ]]
    run "$LAB"
    [[ $status == 100 ]]
    run lab frobnicate
    [[ $status == 100 && $output == *frobnicate* ]]
    run lab up --frobnicate
    [[ $status == 100 ]]
    run lab up many
    [[ $status == 100 && $output == *many* ]]
    run lab kill n1
    [[ $status == 1 && $output == *"no lab"* ]]
    run lab down
    [[ $status == 0 ]]
}

@test "up, status, up again, down, up with the data, down --wipe" {
    cluster_up 3
    run lab status
    [[ $(grep -c running <<<"$output") == 3 ]]
    [[ $(grep -c ' running  *leader ' <<<"$output") == 1 ]]
    echo text >"$C/n2/d/file"
    pid=$(node_pid n1)
    lab up 3
    [[ $(node_pid n1) == "$pid" ]]
    run lab up 5
    [[ $status == 1 && $output == *"3 nodes"* ]]
    run lab kill n9
    [[ $status == 100 && $output == *n9* ]]

    run lab down
    [[ $status == 0 && $output == *kept* ]]
    run grep -F "$C/" /proc/self/mountinfo
    [[ $status == 1 ]]
    gone "$pid"
    lab down # twice is fine
    lab up
    [[ $(cat "$C/n3/d/file") == text ]]
    lab down --wipe
    [[ ! -e $C ]]
}

@test "kill, start, pause and resume" {
    cluster_up 3
    pid=$(node_pid n2)
    lab kill n2
    gone "$pid"
    [[ $(lab status | grep '^n2') == *stopped* ]]
    run lab pause n2
    [[ $status == 1 ]]
    run cat "$C/n2/d"
    [[ $output == *"not connected"* ]]
    lab start n2
    [[ $(lab status | grep '^n2') == *running* ]]
    serves n2
    lab pause n3
    [[ $(lab status | grep '^n3') == *paused* ]]
    run lab cut n3
    [[ $status == 1 && $output == *paused* ]]
    lab resume n3
    serves n3
    lab stop n1
    lab start n1
    lab heal
    [[ -n $(lab logs n1) ]]
    # A dead mount and a dead node do not hinder the end.
    lab kill n1 n2
    lab pause n3
    lab down
}

@test "cut and heal: all, two nodes, one way" {
    cluster_up 3 op_timeout=2
    is_cut() { field "$1" "peers[] | select(.name == \"$2\") | .cut" | grep -q true; }
    lab cut n1
    is_cut n1 n2 && is_cut n1 n3 && is_cut n2 n1 && is_cut n3 n1
    run is_cut n2 n3
    [[ $status == 1 ]]
    [[ $(lab status) == *"n1 -> n2"* ]]
    run touch "$C/n1/d/x"
    [[ $status != 0 ]]
    # A cut outlives the node's process.
    lab kill n1
    lab start n1
    is_cut n1 n2
    lab heal
    run is_cut n1 n2
    [[ $status == 1 ]]
    wait_until 10 serves n1
    lab cut n1 n2
    is_cut n1 n2 && is_cut n2 n1
    run is_cut n1 n3
    [[ $status == 1 ]]
    lab heal
    lab cut --oneway n1 n2
    is_cut n1 n2
    run is_cut n2 n1
    [[ $status == 1 ]]
}

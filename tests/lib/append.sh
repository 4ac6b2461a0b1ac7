#!/bin/bash
# append.sh FILE NAME COUNT ACKS -- COUNT lines with >>, as a shell script does it.
#
# A line for which >> failed may have been written all the same, so the next try
# is another line: "NAME number.attempt ...". Lines that were acknowledged go to
# ACKS. Ends when COUNT numbers are acknowledged.
file=$1 name=$2 count=$3 acks=$4
filler=$(printf '%040d' 0)

for ((i = 1; i <= count; i++)); do
    attempt=1
    while true; do
        line="$name $i.$attempt $filler end"
        if echo "$line" 2>/dev/null >>"$file"; then
            break
        fi 2>/dev/null
        attempt=$((attempt + 1))
        sleep 0.05
    done
    echo "$line" >>"$acks"
done

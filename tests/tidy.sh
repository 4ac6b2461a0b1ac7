#!/bin/bash
# tidy.sh [BUILD_DIR] -- the rules of this house that no compiler checks.
#
#  arrows    which room includes which, by the #include lines
#  outside   each library of others lives in one room
#  symbols   the pure archives need the C library and each other, nothing else
#            (looks into BUILD_DIR, if there is one)
#  banned    calls with a better replacement
#  sources   every .c file is known to CMake; no file has grown too long
#  scripts   shellcheck, where it is installed
#  text      documents that are named but not there; what does not belong into
#            files that are read by others
set -u
cd "$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")" || exit 111
BUILD=${1:-}
LINES_MAX=900
bad=0

complain() {
    printf 'tidy: %s\n' "$*"
    bad=$((bad + 1))
}

# Files that are ours: known to git, or new and not ignored.
mapfile -t FILES < <(git ls-files --cached --others --exclude-standard 2>/dev/null |
    while read -r file; do [[ ! -f $file ]] || printf '%s\n' "$file"; done)
if ((${#FILES[@]} == 0)); then # an unpacked archive
    mapfile -t FILES < <(find . -path ./build -prune -o -path ./lab -prune -o \
        -type f -print | sed 's|^\./||')
fi
C_FILES=()
for file in "${FILES[@]}"; do
    [[ $file != *.[ch] ]] || C_FILES+=("$file")
done

# --- arrows ----------------------------------------------------------------

# room FILE: the first folder, two of them below raft/. Sets ROOM.
room() {
    if [[ $1 == raft/*/* ]]; then
        ROOM=${1#raft/}
        ROOM=raft/${ROOM%%/*}
    else
        ROOM=${1%%/*}
    fi
}

# What each room may include, besides itself. tests/ may include everything.
declare -A MAY_INCLUDE=(
    [raft/core]=""
    [raft/wire]="raft/core"
    [raft/hull]="raft/core raft/wire"
    [raft/json]="raft/core raft/wire"
    [raft/uv]="raft/core raft/wire raft/hull"
    [store]=""
    [fs]="raft/core raft/wire raft/hull raft/json raft/uv store"
)

# The pure part of fs, which the simulator links, knows no other world.
pure_fs() {
    [[ $1 =~ ^fs/(command|apply)[a-z_]*\.[ch]$ ]]
}

check_arrows() {
    local file line target from to
    while IFS=: read -r file line target; do
        room "$file"
        from=$ROOM
        room "$target"
        to=$ROOM
        if [[ $from == tests || $from == "$to" ]]; then
            continue
        fi
        if [[ $target != */* ]]; then
            complain "$file:$line: includes \"$target\" without its room"
        elif [[ " ${MAY_INCLUDE[$from]-} " != *" $to "* ]]; then
            complain "$file:$line: $from must not include $to ($target)"
        elif pure_fs "$file" && [[ $to == raft/hull || $to == raft/uv ]]; then
            complain "$file:$line: the pure part of fs must not include $target"
        fi
    done < <(grep -nE '^#include "' "${C_FILES[@]}" /dev/null |
        sed -nE 's/^([^:]*):([0-9]+):#include "([^"]*)".*/\1:\2:\3/p' |
        grep -vE ':(version|config)\.h$')
}

# --- outside libraries -----------------------------------------------------

# outside HEADER_PATTERN ALLOWED_PATTERN NAME
outside() {
    local hit
    while read -r hit; do
        complain "$hit: $3 does not belong here"
    done < <(grep -nE "^#include <($1)" "${C_FILES[@]}" /dev/null |
        cut -d: -f1,2 | grep -vE "^(tests/|$2)")
}

check_outside() {
    outside 'uv\.h|uv/' '(raft/uv|fs)/' libuv
    outside 'sqlite3' 'store/' sqlite3
    outside 'xxhash' '(store/|raft/wire/hash\.c:)' xxhash
    outside 'fuse' 'fs/' libfuse3
    outside 'jansson' '(raft/json|fs)/' jansson
    outside 'cmocka' 'tests/' cmocka
    local file
    for file in "${C_FILES[@]}"; do
        if pure_fs "$file" && grep -qE '^#include <(fuse|uv|jansson)' "$file"; then
            complain "$file: the pure part of fs includes a library"
        fi
    done
}

# --- symbols ---------------------------------------------------------------

# The pure archives together: what they need and do not have must be libc's.
check_symbols() {
    local archives=() name found libc needs
    [[ -n $BUILD && -d $BUILD ]] || return 0
    for name in raft_core raft_wire raft_hull; do
        found=$(find "$BUILD" -name "lib$name.a" -print -quit)
        if [[ -z $found ]]; then
            return 0
        fi
        archives+=("$found")
    done
    libc=$(ldconfig -p | awk '/libc\.so\.6 / { print $NF; exit }')
    needs=$(comm -23 \
        <(nm -u "${archives[@]}" 2>/dev/null | awk '$1 == "U" { print $2 }' |
            sort -u) \
        <({
            nm -g --defined-only "${archives[@]}" 2>/dev/null |
                awk 'NF == 3 { print $3 }'
            nm -D --defined-only "$libc" | awk 'NF == 3 { sub(/@.*/, "", $3);
                print $3 }'
        } | sort -u) |
        # The compiler's and the sanitizers' own.
        grep -vE '^(_GLOBAL_OFFSET_TABLE_|__(asan|ubsan|tsan|sanitizer|sancov)_)')
    if [[ -n $needs ]]; then
        complain "raft_{core,wire,hull} need from outside:" \
            "$(tr '\n' ' ' <<<"$needs")"
    fi
}

# --- banned calls ----------------------------------------------------------

check_banned() {
    local call instead hit
    while read -r call instead; do
        while read -r hit; do
            complain "$hit: $call() is banned; $instead"
        done < <(grep -nE "(^|[^A-Za-z0-9_.>\"])$call\(" "${C_FILES[@]}" /dev/null |
            grep -vE '^[^:]*:[0-9]+: *(\*|/\*|//)|, SIG_IGN\)' | cut -d: -f1,2)
    done <<'END'
strcpy use snprintf() or memcpy() with a known size
strncpy use snprintf(): strncpy may leave out the NUL
strcat use snprintf() with a known size
strncat use snprintf() with a known size
sprintf use snprintf()
vsprintf use vsnprintf()
gets use fgets()
system start the program with posix_spawn()
popen start the program with posix_spawn()
atoi use strtol() and look at errno and the end
atol use strtol() and look at errno and the end
atoll use strtoull() and look at errno and the end
strtok use strtok_r() or strcspn()
rand chance comes as a seed
srand chance comes as a seed
gmtime use gmtime_r()
localtime use localtime_r()
ctime use strftime()
tmpnam use mkstemp()
mktemp use mkstemp()
alloca use the heap or an array of known size
signal use sigaction() or libuv (SIG_IGN alone is fine)
END
}

# --- sources ---------------------------------------------------------------

# The words of the CMakeLists.txt of a folder and of those above it.
declare -A CMAKE_WORDS
cmake_words() {
    local dir=$1
    if [[ -z ${CMAKE_WORDS[$dir]+known} ]]; then
        local words
        words=" $(cat "$dir"/CMakeLists.txt "$dir"/*.cmake 2>/dev/null |
            tr -cs 'A-Za-z0-9_' ' ') "
        if [[ $dir == */* ]]; then
            cmake_words "${dir%/*}"
            words+=${CMAKE_WORDS[${dir%/*}]}
        fi
        CMAKE_WORDS[$dir]=$words
    fi
}

check_sources() {
    local file stem words lines
    for file in "${C_FILES[@]}"; do
        # tests/lib holds programs that the bats tests compile by themselves.
        if [[ $file != *.c || $file == tests/lib/* ]]; then
            continue
        fi
        cmake_words "${file%/*}"
        words=${CMAKE_WORDS[${file%/*}]}
        stem=${file##*/}
        stem=${stem%.c}
        # Also lists such as foreach(name frame record) ... fuzz_${name}.c
        if [[ $words != *" $stem "* && $words != *" ${stem#*_} "* ]]; then
            complain "$file: no CMakeLists.txt knows it"
        fi
    done
    while read -r lines file; do
        complain "$file: $lines lines; more than $LINES_MAX want to be two files"
    done < <(printf '%s\n' "${FILES[@]}" |
        grep -E '\.(c|h|sh|bash|bats)$|^tests/run$|^mount-helpers/lab$' |
        xargs -d '\n' wc -l | awk -v most="$LINES_MAX" '$1 > most && $2 != "total"')
}

# --- text ------------------------------------------------------------------

# Documents that a file names must be there, by name or by number.
check_references() {
    local file line name
    while IFS=: read -r file line name; do
        if [[ $name == docs/decisions/* ]]; then
            compgen -G "$name*" >/dev/null
        else
            [[ " ${FILES[*]##*/} " == *" ${name##*/} "* ]]
        fi || complain "$file:$line: names $name, which is not here"
    done < <(grep -onE '[A-Za-z0-9_./-]*[A-Za-z0-9_]\.md\b|docs/decisions/[0-9]{4}' \
        "${FILES[@]}" /dev/null | grep -v '^tests/tidy\.sh:')
}

# Where shellcheck is installed.
check_scripts() {
    local scripts
    command -v shellcheck >/dev/null || return 0
    mapfile -t scripts < <(awk '/^#!\/bin\/(ba)?sh/ { print FILENAME } { nextfile }' \
        "${FILES[@]}")
    shellcheck "${scripts[@]}" || complain "shellcheck is not content"
}

check_text() {
    local hit
    while read -r hit; do
        complain "$hit"
    done < <(
        # Conflict markers, trailing blanks, tabs in C, DOS ends of lines.
        grep -nE '^(<<<<<<<|>>>>>>>) ' "${FILES[@]}" /dev/null | cut -d: -f1,2 |
            sed 's/$/: conflict marker/'
        grep -nE '[[:blank:]]+$' "${C_FILES[@]}" /dev/null | cut -d: -f1,2 |
            sed 's/$/: blanks at the end of the line/'
        grep -nP '\t' "${C_FILES[@]}" /dev/null | cut -d: -f1,2 |
            sed 's/$/: tab in C source/'
        grep -lP '\r$' "${FILES[@]}" /dev/null | sed 's/$/: DOS line ends/'
        # Paths of one person's machine; notes that nobody will ever do.
        grep -nE '/home/[a-z]+/|/work/|/root/' "${FILES[@]}" /dev/null |
            grep -vE '^tests/tidy\.sh:' | cut -d: -f1,2 |
            sed 's/$/: a path of one machine/'
        grep -nE '\b(FIXME|XXX|HACK)\b' "${C_FILES[@]}" /dev/null | cut -d: -f1,2 |
            sed 's/$/: decide it, or write TODO: with the decision it waits for/'
    )
}

check_arrows
check_outside
check_symbols
check_banned
check_sources
check_references
check_scripts
check_text

if ((bad > 0)); then
    printf 'tidy: %d to put right\n' "$bad"
    exit 1
fi
echo "tidy: ${#FILES[@]} files in order"

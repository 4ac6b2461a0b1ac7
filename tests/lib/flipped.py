"""flipped.py -- readers of a directory that is replaced as a whole all the time.

flipped.py link|directory TIMES DIR...

"current" is a symbolic link to the latest release, replaced by rename(2), or the
release itself, exchanged with its successor by renameat2(2). Each release has one
file with its number; old ones are removed. The steps of the writer go through one
DIR (the same one, on several nodes) after the other. A reader in each DIR opens
current/number: it must be there and never older than what had been put in place
before. Prints how often it was read.
"""

import ctypes
import multiprocessing
import os
import sys

AT_FDCWD, RENAME_EXCHANGE = -100, 2
RELEASES = 50  # that stay, since a slow reader may still be walking through them
libc = ctypes.CDLL(None, use_errno=True)


def exchange(one, other):
    names = one.encode(), other.encode()
    if libc.renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE) < 0:
        raise OSError(ctypes.get_errno(), "exchange of " + one)


def make(directory, number):
    os.mkdir(directory)
    with open(directory + "/number", "w", encoding="ascii") as file:
        file.write("%d" % number)


def remove(directory):
    os.unlink(directory + "/number")
    os.rmdir(directory)


def by_link(at, number):
    make(at() + "r%d" % number, number)
    os.symlink("r%d" % number, at() + "next")
    here = at()
    os.rename(here + "next", here + "current")


def by_exchange(at, number):
    make(at() + "next", number)
    here = at()
    exchange(here + "next", here + "current")
    here = at()
    os.rename(here + "next", here + "r%d" % (number - 1))


def write(directories, times, kind, done):
    turn = 0

    def at():
        nonlocal turn
        turn += 1
        return directories[turn % len(directories)] + "/"

    for number in range(2, times + 1):
        if kind == "link":
            by_link(at, number)
        else:
            by_exchange(at, number)
        done.value = number
        if number > RELEASES + 1:
            remove(at() + "r%d" % (number - RELEASES))


def read(directory, times, done, counts, place):
    while True:
        least = done.value
        with open(directory + "/current/number", encoding="ascii") as file:
            number = int(file.read())  # raises where it is absent or empty
        assert number >= least, "old: %d after %d" % (number, least)
        counts[place] += 1
        if least == times:
            return


def main():
    kind, times, directories = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    done = multiprocessing.Value("q", 1)
    counts = multiprocessing.Array("q", len(directories))
    if kind == "link":
        make(directories[0] + "/r1", 1)
        os.symlink("r1", directories[0] + "/current")
    else:
        make(directories[0] + "/current", 1)
    processes = [
        multiprocessing.Process(target=read, args=(directory, times, done, counts, at))
        for at, directory in enumerate(directories)
    ]
    for process in processes:
        process.start()
    write(directories, times, kind, done)
    for process in processes:
        process.join()
    print("%d times by %s; read" % (times, kind), *counts[:])
    sys.exit(any(process.exitcode for process in processes))


main()

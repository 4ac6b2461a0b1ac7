"""replaced.py -- readers of a file that is replaced by rename(2) all the time.

replaced.py TIMES WRITER_DIR READER_DIR...

The writer puts a number and text that follows from it into a new file and renames
it over "conf", TIMES times. Each reader opens "conf" in its own directory (the same
one, on other nodes) again and again: it must be there, whole, and never older than
what had been renamed before the reader opened it. Prints how often it was read.
"""

import multiprocessing
import os
import sys


def text_of(number):
    return ("%d\n" % number + "0123456789abcdef" * (number % 400)).encode()


def write(directory, times, done):
    for number in range(1, times + 1):
        path = os.path.join(directory, "conf.new")
        with open(path, "wb") as new:
            new.write(text_of(number))
        os.rename(path, os.path.join(directory, "conf"))
        done.value = number


def read(directory, times, done, counts, place):
    path = os.path.join(directory, "conf")
    while True:
        least = done.value
        with open(path, "rb") as conf:  # raises where it is absent
            text = conf.read()
        number = int(text.split(b"\n")[0])
        assert text == text_of(number), "torn: %r" % text[:40]
        assert number >= least, "old: %d after %d" % (number, least)
        counts[place] += 1
        if least == times:
            return


def main():
    times, written, directories = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    done = multiprocessing.Value("q", 0)
    counts = multiprocessing.Array("q", len(directories))
    write(written, 1, done)
    processes = [
        multiprocessing.Process(target=read, args=(directory, times, done, counts, at))
        for at, directory in enumerate(directories)
    ]
    for process in processes:
        process.start()
    write(written, times, done)
    for process in processes:
        process.join()
    print("read", *counts[:])
    sys.exit(any(process.exitcode for process in processes))


main()

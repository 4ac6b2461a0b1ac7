"""replaced.py -- readers of a file that is replaced by rename(2) all the time.

replaced.py TIMES WRITER_DIR READER_DIR...

The writer puts a number and text that follows from it into a new file and renames
it over "conf", TIMES times. Each reader opens "conf" in its own directory (the same
one, on other nodes) again and again: it must be there, whole, and never older than
what had been renamed, or what any reader had seen, before the reader opened it; and
a list of the directory has it once. Prints how often it was read and listed.
"""

import multiprocessing
import os
import sys

READS_A_LIST = 16


def text_of(number):
    return ("%d\n" % number + "0123456789abcdef" * (number % 400)).encode()


def write(directory, times, done):
    for number in range(1, times + 1):
        path = os.path.join(directory, "conf.new")
        with open(path, "wb") as new:
            new.write(text_of(number))
        os.rename(path, os.path.join(directory, "conf"))
        done.value = number


def read(directory, times, done, seen, counts, place):
    path = os.path.join(directory, "conf")
    while True:
        least = max(done.value, *seen[:])
        with open(path, "rb") as conf:  # raises where it is absent
            text = conf.read()
        number = int(text.split(b"\n")[0])
        assert text == text_of(number), "torn: %r" % text[:40]
        assert number >= least, "old: %d after %d" % (number, least)
        seen[place] = number
        counts[place] += 1
        if counts[place] % READS_A_LIST == 0:
            names = os.listdir(directory)
            assert names.count("conf") == 1, "listed: %r" % names
        if least == times:
            return


def main():
    times, written, directories = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    done = multiprocessing.Value("q", 0)
    seen = multiprocessing.Array("q", len(directories) + 1)
    counts = multiprocessing.Array("q", len(directories))
    write(written, 1, done)
    processes = [
        multiprocessing.Process(
            target=read, args=(directory, times, done, seen, counts, at)
        )
        for at, directory in enumerate(directories)
    ]
    for process in processes:
        process.start()
    write(written, times, done)
    for process in processes:
        process.join()
    print("%d times; read" % times, *counts[:])
    print("listed", *[count // READS_A_LIST for count in counts[:]])
    sys.exit(any(process.exitcode for process in processes))


main()

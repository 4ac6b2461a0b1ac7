/* openfiles.h -- which inodes the kernel of this node has open, and how often.
 *
 * Needed so that a file whose last name goes, on any node, stays until nobody
 * has it open: fs/session reports to the leader which orphans are held here.
 *
 * An open addressing table that doubles. Thread: loop.
 */
#ifndef FS_OPENFILES_H
#define FS_OPENFILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct openfiles {
    struct openfile {
        uint64_t ino; /* 0: free */
        uint64_t count;
    } *slots; /* owned */
    size_t capacity, used;
};

void openfiles_release(struct openfiles *files);
void openfiles_add(struct openfiles *files, uint64_t ino);
/* Asserts that it is open. */
void openfiles_drop(struct openfiles *files, uint64_t ino);
bool openfiles_has(const struct openfiles *files, uint64_t ino);
/* One after the other, from *at == 0 on, in no order; 0: that was all. The table
 * must not change meanwhile. */
uint64_t openfiles_next(const struct openfiles *files, size_t *at);

#endif

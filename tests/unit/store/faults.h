/* faults.h -- a disk that fails when told to.
 *
 * Stands between store/ and the system: as SQLite's default VFS and as the
 * table store_io. Both count their calls together; the n-th fails.
 */
#ifndef TESTS_UNIT_STORE_FAULTS_H
#define TESTS_UNIT_STORE_FAULTS_H

#include <stdbool.h>

enum fault_kind {
    FAULT_IO,   /* any call that opens, writes, syncs, cuts or removes: EIO */
    FAULT_FULL, /* only what needs space: ENOSPC */
};

/* Before any database is opened, and after all are closed. */
void faults_install(void);
void faults_remove(void);
/* The n-th call of that kind from now on fails (n = 1: the next); all later
 * ones too when lasting. */
void faults_arm(enum fault_kind kind, unsigned n, bool lasting);
void faults_disarm(void);
/* Between these, calls are neither counted nor failed: for a test's own looks.
 */
void faults_pause(void);
void faults_resume(void);
/* Has one failed since it was armed? */
bool faults_fired(void);

#endif

/* db.h -- SQLite as store/ uses it: the only file that includes <sqlite3.h>
 * besides those that run statements.
 *
 * WAL, synchronous=NORMAL, wal_autocheckpoint=0, persistent WAL file, foreign
 * keys off. A commit is not durable: the bytes are in the WAL file, and
 * db_wal_fd() is a descriptor of that file which any thread may fdatasync() to
 * make all earlier commits durable (an fsync of one descriptor covers the
 * file). Checkpoints run on the background thread through a connection of their
 * own.
 *
 * Nothing in this process may open(2) and close the database file itself while
 * a connection has it open: that would drop SQLite's POSIX locks. (The WAL file
 * carries no locks.)
 *
 * Thread: one connection belongs to one thread at a time.
 * Memory: statements belong to whoever prepared them, and are finalized before
 * db_close(). db_close() of a zeroed or closed struct does nothing.
 */
#ifndef STORE_DB_H
#define STORE_DB_H

#include "store/bytes.h"

#include <sqlite3.h>

struct db {
    sqlite3 *handle; /* owned */
    char *path;      /* owned */
    int wal_fd;      /* owned, -1 until first asked for */
    bool in_transaction;
    sqlite3_stmt *begin, *commit, *rollback; /* owned */
};

enum db_mode { DB_READ_WRITE, DB_READ_ONLY };

int db_open(const char *path, enum db_mode mode, struct db *out);
void db_close(struct db *db);
/* Runs statements without results. */
int db_exec(struct db *db, const char *sql);
int db_prepare(struct db *db, const char *sql, sqlite3_stmt **out);
/* Turns an SQLite result into a store code with a sentence: what names the
 * operation. SQLITE_FULL -> FULL, IOERR -> IO, CORRUPT/NOTADB -> CORRUPT, BUSY/
 * LOCKED -> LOCKED ... */
int db_fail(struct db *db, int rc, const char *what);
/* Steps a statement that gives no row, resets it. */
int db_run(struct db *db, sqlite3_stmt *statement, const char *what);
/* Steps once: 1 a row is there (caller reads, then sqlite3_reset), 0 none (was
 * reset), negative code. */
int db_row(struct db *db, sqlite3_stmt *statement, const char *what);
int db_begin(struct db *db);
int db_commit(struct db *db);
int db_rollback(struct db *db);
/* fd of the WAL file; -1 with an error when it cannot be opened. */
int db_wal_fd(struct db *db);
/* Makes the WAL file at least so large, with zeros behind what is in it, which
 * SQLite takes for the end of the log: overwriting blocks that are there already
 * makes each later fdatasync() about a third cheaper. For speed alone, so a full
 * disk is no error. Before anybody writes. */
int db_extend_wal(struct db *db, uint64_t size);
/* Makes durable what an earlier process has committed (store_rewrite). Before
 * anybody writes. */
int db_settle(struct db *db);
/* Moves the WAL into the database file (passive: never waits for, never
 * blocks, the owner). For the background thread, on its own connection. */
int db_checkpoint(struct db *db);

#endif

#include "store/tree_int.h"

/* Names are found by (parent, name) and listed by (parent, cookie); the index
 * has all that a listing needs, so neither has to look twice. Rows of segment
 * extents alone are indexed by segment: to count what is alive in one. */
const char tree_schema[] =
    "CREATE TABLE meta(id INTEGER PRIMARY KEY, format INTEGER, cluster_id,"
    " applied, term, time_ns, digest, next_ino, next_cookie, next_lock,"
    " next_stamp, inodes, bytes, chain);"
    "CREATE TABLE inodes(ino INTEGER PRIMARY KEY, mode INTEGER, uid INTEGER,"
    " gid INTEGER, nlink INTEGER, rdev INTEGER, size INTEGER, blocks INTEGER,"
    " atime INTEGER, mtime INTEGER, ctime INTEGER, btime INTEGER,"
    " parent INTEGER, body INTEGER, data_hash INTEGER, orphaned INTEGER);"
    "CREATE TABLE orphans(ino INTEGER PRIMARY KEY);"
    "CREATE TABLE dentries(parent INTEGER, name BLOB, ino INTEGER,"
    " type INTEGER, cookie INTEGER, PRIMARY KEY(parent, name)) WITHOUT ROWID;"
    "CREATE INDEX dentries_cookie ON dentries(parent, cookie, ino, type);"
    "CREATE TABLE symlinks(ino INTEGER PRIMARY KEY, target BLOB);"
    "CREATE TABLE extents(body INTEGER, offset INTEGER, size INTEGER,"
    " segment INTEGER, position INTEGER, skip INTEGER, payload INTEGER,"
    " bytes BLOB, PRIMARY KEY(body, offset)) WITHOUT ROWID;"
    "CREATE INDEX extents_segment ON extents(segment, size)"
    " WHERE segment <> 0;"
    "CREATE TABLE xattrs(ino INTEGER, name BLOB, value BLOB,"
    " PRIMARY KEY(ino, name)) WITHOUT ROWID;"
    "CREATE TABLE sessions(session INTEGER PRIMARY KEY, row BLOB);"
    "CREATE TABLE locks(ino INTEGER, id INTEGER, session INTEGER,"
    " owner INTEGER, serial INTEGER, kind INTEGER, write INTEGER,"
    " waits INTEGER, start INTEGER, last INTEGER, since INTEGER,"
    " pid INTEGER, comm BLOB, PRIMARY KEY(ino, id)) WITHOUT ROWID;"
    "CREATE INDEX locks_owner ON locks(session, owner);"
    "CREATE TABLE config(id INTEGER PRIMARY KEY, idx INTEGER, body BLOB);"
    "CREATE TABLE results(idx INTEGER PRIMARY KEY, error INTEGER);"
    "CREATE TABLE purge(body INTEGER PRIMARY KEY);";

#define EXTENT_COLUMNS "offset, size, segment, position, skip, payload, bytes"

const char *const tree_sql[TREE_STATEMENTS] = {
    [TREE_READ_BEGIN] = "BEGIN",
    [TREE_READ_END] = "COMMIT",
    [TREE_META_SET] = "UPDATE meta SET applied=?1, term=?2, time_ns=?3,"
                      " digest=?4, next_ino=?5, next_cookie=?6, next_lock=?7,"
                      " next_stamp=?8, inodes=?9, bytes=?10, chain=?11 WHERE id=1",
    [TREE_INODE_GET] = "SELECT * FROM inodes WHERE ino=?1",
    [TREE_INODE_INSERT] = "INSERT INTO inodes VALUES(?1, ?2, ?3, ?4, ?5, ?6,"
                          " ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    [TREE_INODE_UPDATE] =
        "UPDATE inodes SET mode=?2, uid=?3, gid=?4, nlink=?5, rdev=?6, size=?7,"
        " blocks=?8, atime=?9, mtime=?10, ctime=?11, btime=?12, parent=?13,"
        " body=?14, data_hash=?15, orphaned=?16 WHERE ino=?1",
    [TREE_INODE_DELETE] = "DELETE FROM inodes WHERE ino=?1",
    [TREE_ORPHAN_ADD] = "INSERT INTO orphans VALUES(?1)",
    [TREE_ORPHAN_DELETE] = "DELETE FROM orphans WHERE ino=?1",
    [TREE_ORPHANS] = "SELECT ino FROM orphans WHERE ino>?1 ORDER BY ino"
                     " LIMIT ?2",
    [TREE_SYMLINK_ADD] = "INSERT INTO symlinks VALUES(?1, ?2)",
    [TREE_SYMLINK_GET] = "SELECT target FROM symlinks WHERE ino=?1",
    [TREE_SYMLINK_DELETE] = "DELETE FROM symlinks WHERE ino=?1",
    [TREE_XATTR_ANY] = "SELECT 1 FROM xattrs LIMIT 1",
    [TREE_XATTR_GET] = "SELECT value FROM xattrs WHERE ino=?1 AND name=?2",
    [TREE_XATTR_PUT] = "INSERT OR REPLACE INTO xattrs(ino, name, value)"
                       " VALUES(?1, ?2, ?3)",
    [TREE_XATTR_DELETE] = "DELETE FROM xattrs WHERE ino=?1 AND name=?2",
    [TREE_XATTR_EACH] = "SELECT name FROM xattrs WHERE ino=?1 ORDER BY name",
    [TREE_XATTR_ROWS] = "SELECT name, value FROM xattrs WHERE ino=?1",
    [TREE_XATTR_DELETE_ALL] = "DELETE FROM xattrs WHERE ino=?1",
    [TREE_DENTRY_GET] = "SELECT ino, type, cookie FROM dentries"
                        " WHERE parent=?1 AND name=?2",
    [TREE_DENTRY_ADD] = "INSERT INTO dentries(parent, name, ino, type, cookie)"
                        " VALUES(?1, ?2, ?3, ?4, ?5)",
    [TREE_DENTRY_DELETE] = "DELETE FROM dentries WHERE parent=?1 AND name=?2",
    [TREE_DENTRY_EACH] = "SELECT cookie, ino, type, name FROM dentries"
                         " INDEXED BY dentries_cookie"
                         " WHERE parent=?1 AND cookie>?2 ORDER BY cookie",
    [TREE_DENTRY_ANY] = "SELECT 1 FROM dentries WHERE parent=?1 LIMIT 1",
    [TREE_EXTENT_LAST] = "SELECT " EXTENT_COLUMNS " FROM extents"
                         " WHERE body=?1 ORDER BY offset DESC LIMIT 1",
    [TREE_EXTENT_BEFORE] = "SELECT " EXTENT_COLUMNS " FROM extents"
                           " WHERE body=?1 AND offset<?2"
                           " ORDER BY offset DESC LIMIT 1",
    [TREE_EXTENTS_BELOW] = "SELECT " EXTENT_COLUMNS " FROM extents"
                           " WHERE body=?1 AND offset>=?2 AND offset<?3"
                           " ORDER BY offset",
    /* From the one that holds ?2, or may, on. */
    [TREE_EXTENTS_TOUCHING] =
        "SELECT " EXTENT_COLUMNS " FROM extents WHERE body=?1 AND offset<?3"
        " AND offset>=ifnull((SELECT offset FROM extents WHERE body=?1"
        " AND offset<=?2 ORDER BY offset DESC LIMIT 1), 0) ORDER BY offset",
    [TREE_EXTENT_ADD] =
        "INSERT INTO extents VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [TREE_EXTENT_REPLACE] =
        "UPDATE extents SET size=?3, segment=?4, position=?5, skip=?6,"
        " payload=?7, bytes=?8 WHERE body=?1 AND offset=?2",
    [TREE_EXTENTS_DELETE] = "DELETE FROM extents"
                            " WHERE body=?1 AND offset>=?2 AND offset<?3",
    [TREE_SESSION_PUT] = "INSERT OR REPLACE INTO sessions VALUES(?1, ?2)",
    [TREE_SESSION_DELETE] = "DELETE FROM sessions WHERE session=?1",
    [TREE_SESSIONS] = "SELECT session, row FROM sessions ORDER BY session",
    [TREE_LOCK_ADD] = "INSERT INTO locks VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8,"
                      " ?9, ?10, ?11, ?12, ?13)",
    [TREE_LOCK_DELETE] = "DELETE FROM locks WHERE ino=?1 AND id=?2",
    [TREE_LOCKS_OF_INODE] = "SELECT * FROM locks WHERE ino=?1 ORDER BY id",
    [TREE_LOCKS_OF_SESSION] = "SELECT * FROM locks WHERE session=?1"
                              " ORDER BY ino, id",
    [TREE_LOCKS_OF_OWNER] = "SELECT * FROM locks WHERE session=?1 AND owner=?2"
                            " ORDER BY ino, id",
    [TREE_LOCKS] = "SELECT * FROM locks ORDER BY ino, id",
    [TREE_CONFIG_PUT] = "INSERT OR REPLACE INTO config VALUES(1, ?1, ?2)",
    [TREE_CONFIG_GET] = "SELECT idx, body FROM config WHERE id=1",
    [TREE_RESULT_PUT] = "INSERT OR REPLACE INTO results VALUES(?1, ?2)",
    [TREE_RESULTS_TRIM] = "DELETE FROM results WHERE idx<=?1",
    [TREE_PURGE_ADD] = "INSERT OR IGNORE INTO purge VALUES(?1)",
    [TREE_PURGE_FIRST] = "SELECT body FROM purge ORDER BY body LIMIT 1",
    [TREE_PURGE_UPTO] = "SELECT offset FROM extents WHERE body=?1"
                        " ORDER BY offset LIMIT 1 OFFSET ?2",
    [TREE_PURGE_DELETE] = "DELETE FROM purge WHERE body=?1",
};

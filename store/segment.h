/* segment.h -- append-only files that hold the bytes of files.
 *
 * A segment is written once, front to back, and never changed. So readers need
 * no lock, and a crash can only leave a torn tail, which nothing refers to: a
 * place is handed out before it is durable, and whoever stores a place makes
 * the segment durable before (or with) what refers to it.
 *
 * Disk: DATADIR/segments/%016llx.seg. Header (64 bytes: magic, version, id,
 * created, checksum), then records: u32 magic, u32 size, u64 XXH3-64 of the
 * bytes, the bytes, padding to 8. Byte table in docs/formats.md. Preallocated.
 *
 * Two writers may be open at once: the staging writer (loop thread: payloads of
 * new records) and the merging writer (background thread: merged extents). Each
 * has a segment of its own. All share one table of open files.
 *
 * Thread: a writer belongs to one thread; segments_read(), get and put may be
 * called from any (the table is guarded by its lock, never held across I/O).
 */
#ifndef STORE_SEGMENT_H
#define STORE_SEGMENT_H

#include "store/bytes.h"

enum {
    SEGMENT_SIZE = 64 * 1024 * 1024, /* a new one is begun at this size */
    SEGMENT_RECORD_MAX = 4 * 1024 * 1024,
};

struct segments;       /* all segments of a node */
struct segment_writer; /* appends */

/* Opens the directory (made if missing), lists segments, checks headers, gives
 * back what was preallocated and not used, and removes empty segments.
 * STORE_LOCKED: another process has it open. */
int segments_open(const char *directory, struct segments **out);
/* For reading beside a running node: takes no lock and changes nothing. */
int segments_inspect(const char *directory, struct segments **out);
void segments_close(struct segments *segments);

int segment_writer_open(struct segments *segments, struct segment_writer **out);
void segment_writer_close(struct segment_writer *writer);
/* Appends src; *at says where its first byte went. Written, not durable.
 * STORE_FULL leaves the segment as it was. */
int segment_append(struct segment_writer *writer, struct view src,
                   struct place *at);
/* Descriptors of this writer with bytes not yet synced, at most max (2 are
 * enough unless syncs lag; a writer keeps a rolled segment's fd until it was
 * synced). They count as clean from now on; the caller fdatasyncs them, on any
 * thread, and stops the node if that fails. The fds stay open until the sync is
 * reported by segment_writer_synced(). Returns how many.
 * One sync at a time: not called again before segment_writer_synced(), unless
 * it returned 0. */
int segment_writer_dirty(struct segment_writer *writer, int *fds, int max);
void segment_writer_synced(struct segment_writer *writer);

/* Reads size bytes of a record's payload at `skip` from its first byte. */
int segments_read(struct segments *segments, struct place place, uint64_t skip,
                  void *out, size_t size);
/* Reads a whole payload of exactly `size` bytes and checks its checksum. */
int segments_read_checked(struct segments *segments, struct place place,
                          void *out, size_t size);
/* Makes what an earlier process wrote, from the record at `position` on, durable
 * (store_rewrite). Before there is a writer. */
int segments_settle(struct segments *segments, uint64_t segment,
                    uint64_t position);
/* An fd for preadv2(); valid until put. A removed segment stays readable.
 * STORE_TOO_MANY: no descriptor is free, and of ours all are in use. */
int segments_get(struct segments *segments, uint64_t segment, int *fd);
void segments_put(struct segments *segments, uint64_t segment);

/* For reclaiming. Calls each(arg, id, file_bytes, is_open_for_writing). */
void segments_each(struct segments *segments,
                   void (*each)(void *arg, uint64_t id, uint64_t bytes,
                                bool writing),
                   void *arg);
/* While anybody holds a pin, no segment is unlinked because it is dead: a copy of
 * the tree may refer to it, older or newer than the tree itself. A pin is taken
 * before such a copy is made; who unlinks asks after having found a segment
 * dead. */
void segments_pin(struct segments *segments);
void segments_unpin(struct segments *segments);
bool segments_pinned(const struct segments *segments);
/* Unlinks the file; its fd closes with the last put. STORE_INVALID while it is
 * open for writing (which it is until its last sync was reported). */
int segments_remove(struct segments *segments, uint64_t id);
uint64_t segments_bytes(const struct segments *segments); /* on disk */

#endif

#include "store/raftlog_int.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void place_uses_release(struct place_uses *uses)
{
    free(uses->list);
    *uses = (struct place_uses){0};
}

void place_uses_clear(struct place_uses *uses)
{
    uses->count = 0;
}

/* The newest segment is asked for most: search from the end. */
static struct place_use *find_use(struct place_uses *uses, uint64_t segment)
{
    for (size_t i = uses->count; i > 0; i--) {
        if (uses->list[i - 1].segment == segment) {
            return &uses->list[i - 1];
        }
    }
    return NULL;
}

static struct place_use *add_use(struct place_uses *uses, uint64_t segment)
{
    if (uses->count == uses->capacity) {
        uses->capacity = uses->capacity * 2 + 16;
        uses->list = realloc(uses->list, uses->capacity * sizeof(*uses->list));
        assert(uses->list != NULL);
    }
    struct place_use *use = &uses->list[uses->count++];
    *use = (struct place_use){.segment = segment};
    return use;
}

void place_uses_add(struct place_uses *uses, uint64_t segment, uint64_t bytes)
{
    if (segment == 0) {
        return;
    }
    struct place_use *use = find_use(uses, segment);
    if (use == NULL) {
        use = add_use(uses, segment);
    }
    use->rows++;
    use->bytes += bytes;
}

static void subtract_one(struct place_uses *uses, const struct place_use *less)
{
    struct place_use *use = find_use(uses, less->segment);
    assert(use != NULL);
    assert(use->rows >= less->rows);
    assert(use->bytes >= less->bytes);
    use->rows -= less->rows;
    use->bytes -= less->bytes;
    if (use->rows == 0) {
        size_t after = uses->count - (size_t)(use - uses->list) - 1;
        memmove(use, use + 1, after * sizeof(*use));
        uses->count--;
    }
}

void place_uses_subtract(struct place_uses *uses, const struct place_uses *less)
{
    for (size_t i = 0; i < less->count; i++) {
        subtract_one(uses, &less->list[i]);
    }
}

int place_uses_collect(struct place_uses *uses, struct db *db,
                       sqlite3_stmt *statement, const char *what)
{
    int rc;
    while ((rc = db_row(db, statement, what)) == 1) {
        place_uses_add(uses, (uint64_t)sqlite3_column_int64(statement, 0),
                       (uint64_t)sqlite3_column_int64(statement, 1));
    }
    return rc;
}

int raftlog_places(struct raftlog *log,
                   void (*each)(void *arg, uint64_t segment, uint64_t bytes),
                   void *arg)
{
    for (size_t i = 0; i < log->uses.count; i++) {
        each(arg, log->uses.list[i].segment, log->uses.list[i].bytes);
    }
    return 0;
}

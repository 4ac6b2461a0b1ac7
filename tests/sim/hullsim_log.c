/* A log that knows what a power failure would leave of it. */
#include "tests/sim/hullsim.h"

#include "raft/core/memory.h"

#include <assert.h>
#include <string.h>

/* --- entries and images --- */

static struct log_entry *entry_new(const struct record *record)
{
    struct log_entry *entry = xcalloc(1, sizeof(*entry));
    entry->refs = 1;
    entry->size = record_size(record, true);
    entry->bytes = xmalloc(entry->size);
    entry->segment = record->place.segment;
    entry->term = record->term;
    entry->chain = record->chain;
    record_encode(record, true, entry->bytes);
    return entry;
}

static struct log_entry *entry_ref(struct log_entry *entry)
{
    entry->refs++;
    return entry;
}

static void entry_unref(struct log_entry *entry)
{
    entry->refs--;
    if (entry->refs == 0) {
        free(entry->bytes);
        free(entry);
    }
}

raft_index image_last(const struct log_image *image)
{
    return image->base + image->count;
}

static void image_append(struct log_image *image, struct log_entry *entry)
{
    if (image->count == image->capacity) {
        image->capacity = image->capacity == 0 ? 64 : image->capacity * 2;
        image->list =
            xrealloc(image->list, image->capacity * sizeof(image->list[0]));
    }
    image->list[image->count] = entry_ref(entry);
    image->count++;
}

static void image_truncate(struct log_image *image, raft_index from)
{
    assert(from > image->base);
    while (image_last(image) >= from) {
        image->count--;
        entry_unref(image->list[image->count]);
    }
}

static void image_compact(struct log_image *image, raft_index upto)
{
    assert(upto > image->base && upto <= image_last(image));
    size_t gone = (size_t)(upto - image->base);
    image->base_term = image->list[gone - 1]->term;
    image->base_chain = image->list[gone - 1]->chain;
    for (size_t i = 0; i < gone; i++) {
        entry_unref(image->list[i]);
    }
    image->count -= gone;
    memmove(image->list, image->list + gone,
            image->count * sizeof(image->list[0]));
    image->base = upto;
}

static raft_term image_term(const struct log_image *image, raft_index index)
{
    return index > image->base && index <= image_last(image)
               ? image->list[index - image->base - 1]->term
               : 0;
}

static void image_reset(struct log_image *image, raft_index index,
                        raft_term term, uint64_t chain)
{
    if (image_term(image, index) == term) {
        image_compact(image, index);
        return;
    }
    if (image->count > 0) {
        image_truncate(image, image->base + 1);
    }
    image->base = index;
    image->base_term = term;
    image->base_chain = chain;
}

static void image_release(struct log_image *image)
{
    for (size_t i = 0; i < image->count; i++) {
        entry_unref(image->list[i]);
    }
    free(image->list);
    *image = (struct log_image){0};
}

static void image_copy(struct log_image *to, const struct log_image *from)
{
    image_release(to);
    *to = *from;
    to->list = NULL;
    to->count = to->capacity = 0;
    for (size_t i = 0; i < from->count; i++) {
        image_append(to, from->list[i]);
    }
}

/* --- writes on their way to the disk --- */

static void op_perform(struct log_image *image, const struct log_op *op)
{
    switch (op->kind) {
    case LOG_APPEND:
        for (size_t i = 0; i < op->count; i++) {
            image_append(image, op->entries[i]);
        }
        break;
    case LOG_TRUNCATE:
        image_truncate(image, op->index);
        break;
    case LOG_SAVE:
        image->term = op->term;
        image->vote = op->vote;
        break;
    case LOG_COMPACT:
        image_compact(image, op->index);
        break;
    case LOG_RESET:
        image_reset(image, op->index, op->term, op->chain);
        break;
    case LOG_JOIN:
        image->rejoining = false;
        break;
    }
}

static void op_release(struct log_op *op)
{
    for (size_t i = 0; i < op->count; i++) {
        entry_unref(op->entries[i]);
    }
    free(op->entries);
    *op = (struct log_op){0};
}

/* Takes the op's entries. */
static void disk_write(struct disk *disk, struct log_op op)
{
    if (disk->op_count == disk->op_capacity) {
        disk->op_capacity = disk->op_capacity == 0 ? 64 : disk->op_capacity * 2;
        disk->ops = xrealloc(disk->ops, disk->op_capacity * sizeof(op));
    }
    disk->ops[disk->op_count] = op;
    disk->op_count++;
    op_perform(&disk->now, &op);
}

void disk_durable(struct disk *disk, size_t ops)
{
    assert(ops <= disk->op_count);
    if (ops == 0) {
        return;
    }
    for (size_t i = 0; i < ops; i++) {
        op_perform(&disk->durable, &disk->ops[i]);
        op_release(&disk->ops[i]);
    }
    disk->op_count -= ops;
    memmove(disk->ops, disk->ops + ops, disk->op_count * sizeof(disk->ops[0]));
}

bool disk_reset(struct disk *disk, raft_index index, raft_term term,
                uint64_t chain)
{
    bool kept = image_term(&disk->now, index) == term;
    disk_write(disk, (struct log_op){
                         .kind = LOG_RESET,
                         .index = index,
                         .term = term,
                         .chain = chain});
    disk_durable(disk, disk->op_count);
    disk->sync_mark = 0;
    return kept;
}

void disk_settle(struct disk *disk, const struct world *world)
{
    raft_index index = disk->tree_durable;
    if (index <= disk->now.base) {
        return;
    }
    raft_term term = world->history[index - 1].term;
    if (image_term(&disk->now, index) != term) {
        disk_reset(disk, index, term, world->history[index - 1].chain);
    }
}

void disk_init(struct disk *disk)
{
    *disk = (struct disk){0};
}

void disk_release(struct disk *disk)
{
    for (size_t i = 0; i < disk->op_count; i++) {
        op_release(&disk->ops[i]);
    }
    free(disk->ops);
    image_release(&disk->now);
    image_release(&disk->durable);
}

void disk_crash(struct disk *disk, struct rng *rng)
{
    disk_durable(disk, rng_below(rng, disk->op_count + 1));
    for (size_t i = 0; i < disk->op_count; i++) {
        op_release(&disk->ops[i]);
    }
    disk->op_count = 0;
    image_copy(&disk->now, &disk->durable);
}

void disk_wipe(struct disk *disk)
{
    disk_release(disk);
    disk_init(disk);
    disk->now.rejoining = true;
    disk->durable.rejoining = true;
}

void disk_join(struct disk *disk)
{
    disk_write(disk, (struct log_op){.kind = LOG_JOIN});
}

/* --- log_api --- */

static int io_error(struct node *node)
{
    struct world *world = node->world;
    bool strikes =
        !world->calm && rng_chance(&world->chaos, world->params.io_error_ppm);
    return strikes ? -5 : 0;
}

static int log_append(void *self, struct record *const *records, size_t count)
{
    struct node *node = self;
    if (io_error(node) < 0) {
        return -5;
    }
    if (node->undo_low != 0) {
        sim_fail(node->world, node, "append between undo and truncate");
    }
    struct log_op op = {.kind = LOG_APPEND, .count = count};
    op.entries = xcalloc(count, sizeof(op.entries[0]));
    for (size_t i = 0; i < count; i++) {
        const struct record *record = records[i];
        if (record->index != image_last(&node->disk.now) + i + 1) {
            sim_fail(node->world, node, "append leaves a gap");
        }
        if (record->payload_size > 0 && record->place.segment == 0) {
            sim_fail(node->world, node, "record %llu was not staged",
                     (unsigned long long)record->index);
        }
        if (record->time_ns > node->disk.last_time_ns) {
            node->disk.last_time_ns = record->time_ns;
        }
        struct op *caller = op_of_record(node->world, record);
        if (caller != NULL) {
            if (caller->completed && caller->outcome == HULL_NOT_DONE) {
                sim_fail(node->world, node, "NOT_DONE, but it came to a log");
            }
            caller->in_log = true;
        }
        op.entries[i] = entry_new(record);
    }
    disk_write(&node->disk, op);
    return 0;
}

static int log_truncate(void *self, raft_index from)
{
    struct node *node = self;
    if (io_error(node) < 0) {
        return -5;
    }
    if (node->undo_low != from) {
        sim_fail(node->world, node, "cut at %llu, undone down to %llu",
                 (unsigned long long)from, (unsigned long long)node->undo_low);
    }
    node->undo_low = 0;
    disk_write(&node->disk,
               (struct log_op){.kind = LOG_TRUNCATE, .index = from});
    return 0;
}

static int log_save(void *self, raft_term term, node_id vote)
{
    struct node *node = self;
    if (io_error(node) < 0) {
        return -5;
    }
    struct log_image *now = &node->disk.now;
    if (term < now->term ||
        (term == now->term && now->vote != 0 && vote != now->vote)) {
        sim_fail(node->world, node, "voted twice in term %llu",
                 (unsigned long long)term);
    }
    disk_write(&node->disk,
               (struct log_op){.kind = LOG_SAVE, .term = term, .vote = vote});
    return 0;
}

static int log_read(void *self, raft_index index, struct record **out)
{
    const struct node *node = self;
    const struct log_image *now = &node->disk.now;
    if (index <= now->base || index > image_last(now)) {
        return -1;
    }
    const struct log_entry *entry = now->list[index - now->base - 1];
    size_t used;
    int rc = record_decode((struct bytes){entry->bytes, entry->size}, true, out,
                           &used);
    assert(rc == 0 && used == entry->size);
    (*out)->place.segment = entry->segment;
    return 0;
}

static int log_chain(void *self, raft_index index, uint64_t *out)
{
    const struct node *node = self;
    const struct log_image *now = &node->disk.now;
    if (index < now->base || index > image_last(now)) {
        return -1;
    }
    *out = index == now->base ? now->base_chain
                              : now->list[index - now->base - 1]->chain;
    return 0;
}

static int log_compact(void *self, raft_index upto)
{
    struct node *node = self;
    if (upto > node->disk.tree_durable) {
        sim_fail(node->world, node, "compacts what the tree may still need");
    }
    node->world->counters.compactions++;
    disk_write(&node->disk,
               (struct log_op){.kind = LOG_COMPACT, .index = upto});
    return 0;
}

static int log_reset(void *self, raft_index index, raft_term term,
                     uint64_t chain, raft_index doubtful)
{
    struct node *node = self;
    (void)doubtful;
    if (io_error(node) < 0) {
        return -5;
    }
    if (node->undo_low != 0 && node->undo_low != index + 1) {
        sim_fail(node->world, node, "reset at %llu, undone down to %llu",
                 (unsigned long long)index, (unsigned long long)node->undo_low);
    }
    node->undo_low = 0;
    node->world->counters.suffixes_kept +=
        disk_reset(&node->disk, index, term, chain);
    return 0;
}

static void log_sync(void *self, raft_token token)
{
    struct node *node = self;
    struct world *world = node->world;
    const struct params *params = &world->params;
    node->disk.sync_mark = node->disk.op_count;
    world->counters.syncs++;
    if (rng_chance(&world->disk_chance, params->sync_at_once_ppm)) {
        disk_durable(&node->disk, node->disk.sync_mark);
        hull_log_durable(node->hull, node_clock(node), token, 0);
        return;
    }
    uint64_t takes = rng_tail(&world->disk_chance, params->sync_us);
    if (!world->calm &&
        rng_chance(&world->disk_chance, params->sync_stall_ppm)) {
        takes += rng_below(&world->disk_chance, 2 * 1000 * 1000);
    }
    world_push(world, (struct event){.at = world->now + takes + 1,
                                     .kind = EV_SYNC,
                                     .node = node->at,
                                     .life = node->life,
                                     .token = token,
                                     .number = io_error(node) < 0});
}

struct log_api log_model(struct node *node)
{
    return (struct log_api){
        .self = node,
        .append = log_append,
        .truncate = log_truncate,
        .save = log_save,
        .read = log_read,
        .chain = log_chain,
        .compact = log_compact,
        .reset = log_reset,
        .sync = log_sync,
    };
}

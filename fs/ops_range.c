/* ops_range.c -- requests that change ranges of files without bytes: fallocate,
 * copy_file_range. */
#include "fs/ops.h"

#include <errno.h>
#include <sys/stat.h>

/* Of one call, as this node has them: some 50 ms of everybody's apply. Each copy
 * may double what a file is made of. Apply itself cannot count them, for every
 * node joins pieces when it has time. */
enum { COPY_PIECES_MAX = 4096 };

static void do_fallocate(struct request *request,
                         const struct hull_result *result)
{
    (void)result;
    fuse_reply_err(request->fuse, 0);
}

static void do_copy(struct request *request, const struct hull_result *result)
{
    fuse_reply_write(request->fuse, (size_t)result->value[VALUE_SIZE]);
}

static void submit(fuse_req_t fuse, request_done *done, struct command *command,
                   const struct fuse_file_info *file)
{
    if (virtual_is(command->ino) || virtual_is(command->source)) {
        fuse_reply_err(fuse, EOPNOTSUPP);
        return;
    }
    struct request *request = request_new(ops_node(fuse), fuse, done);
    if (request != NULL) {
        request->ino = command->ino;
        request->file.fh = file->fh;
        request_command(request, command, (struct bytes){0});
    }
}

void op_fallocate(fuse_req_t fuse, fuse_ino_t ino, int mode, off_t offset,
                  off_t size, struct fuse_file_info *file)
{
    struct command command = {
        .op = OP_FALLOCATE,
        .ino = ino,
        .offset = (uint64_t)offset,
        .size = (uint64_t)size,
        .flags = (uint32_t)mode,
    };
    submit(fuse, do_fallocate, &command, file);
}

struct pieces {
    uint32_t count;
    uint64_t end; /* of those that are copied */
};

static bool count_piece(void *arg, const struct extent *extent)
{
    struct pieces *pieces = arg;
    if (pieces->count == COPY_PIECES_MAX) {
        pieces->end = extent->offset;
        return false;
    }
    pieces->count++;
    return true;
}

/* So much of it that apply comes to an end soon; programs ask again for the rest. */
static uint64_t size_to_ask(struct node *node, const struct command *command)
{
    struct inode source;
    struct pieces pieces = {.end = UINT64_MAX};
    if (virtual_is(command->source) ||
        tree_inode_get(node->tree, command->source, &source) < 0 ||
        !S_ISREG(source.mode) || command->source_offset >= source.size ||
        tree_extents(node->tree, source.body, command->source_offset,
                     command->size, count_piece, &pieces) < 0 ||
        pieces.end == UINT64_MAX) {
        return command->size;
    }
    return pieces.end - command->source_offset;
}

void op_copy_file_range(fuse_req_t fuse, fuse_ino_t source,
                        off_t source_offset, struct fuse_file_info *source_file,
                        fuse_ino_t ino, off_t offset,
                        struct fuse_file_info *file, size_t size, int flags)
{
    (void)source_file;
    struct command command = {
        .op = OP_COPY_RANGE,
        .ino = ino,
        .offset = (uint64_t)offset,
        .source = source,
        .source_offset = (uint64_t)source_offset,
        .size = size,
    };
    if (flags != 0) {
        fuse_reply_err(fuse, EINVAL);
        return;
    }
    command.size = size_to_ask(ops_node(fuse), &command);
    submit(fuse, do_copy, &command, file);
}

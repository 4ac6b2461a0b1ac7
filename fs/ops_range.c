/* ops_range.c -- requests that change ranges of files without bytes: fallocate,
 * copy_file_range. */
#include "fs/ops.h"

#include <errno.h>

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
    submit(fuse, do_copy, &command, file);
}

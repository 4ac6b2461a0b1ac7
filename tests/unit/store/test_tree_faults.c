/* Fails the first, second, third... access to the disk while a tree is opened
 * and changed. The node stops then; started again, the tree is as it was after
 * some record at or after its last commit, and the records after that lead to
 * the same state as without the failure. */
#include "tests/unit/store/faults.h"
#include "tests/unit/store/testing.h"

#include "store/error.h"
#include "store/segment.h"
#include "store/tree_int.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { RECORDS = 24, RECORDS_A_COMMIT = 3 };

struct node {
    const char *directory;
    struct segments *segments;
    struct segment_writer *writer;
    struct tree *tree;
    uint64_t committed; /* at least */
};

static void node_close(struct node *node)
{
    tree_close(node->tree);
    segment_writer_close(node->writer);
    segments_close(node->segments);
    node->tree = NULL;
    node->writer = NULL;
    node->segments = NULL;
}

static int node_open(struct node *node)
{
    char path[600];
    snprintf(path, sizeof(path), "%s/segments", node->directory);
    int rc = segments_open(path, &node->segments);
    if (rc == 0) {
        rc = segment_writer_open(node->segments, &node->writer);
    }
    snprintf(path, sizeof(path), "%s/tree.db", node->directory);
    return rc < 0 ? rc : tree_open(path, node->segments, &node->tree);
}

/* --- a deterministic record --- */

static struct view name_of(uint64_t number)
{
    static char name[32];
    int size =
        snprintf(name, sizeof(name), "file%llu", (unsigned long long)number);
    return (struct view){name, (size_t)size};
}

static int create_file(struct tree *tree, uint64_t number)
{
    struct inode inode = {
        .ino = tree_next_ino(tree),
        .mode = S_IFREG | 0644,
        .nlink = 1,
        .body = tree_next_ino(tree),
    };
    int rc = tree_inode_add(tree, &inode);
    return rc < 0 ? rc
                  : tree_dentry_add(tree, TREE_ROOT, name_of(number), inode.ino,
                                    S_IFREG);
}

static int write_file(struct node *node, struct inode *inode, uint64_t offset,
                      uint64_t size)
{
    static const uint8_t bytes[9000] = {1, 2, 3};
    struct place place = {0};
    struct view src = {bytes, size};
    int64_t added;
    int rc =
        size > TREE_INLINE_MAX ? segment_append(node->writer, src, &place) : 0;
    if (rc == 0) {
        rc = tree_write(node->tree, inode->body, offset, place, src, size,
                        &added);
    }
    if (rc < 0) {
        return rc;
    }
    inode->blocks += (uint64_t)added;
    if (inode->size < offset + size) {
        inode->size = offset + size;
    }
    return tree_inode_set(node->tree, inode);
}

static int cut_file(struct tree *tree, struct inode *inode, uint64_t size)
{
    int64_t added;
    int rc = tree_cut(tree, inode->body, size, &added);
    if (rc < 0) {
        return rc;
    }
    inode->blocks += (uint64_t)added;
    inode->size = size;
    return tree_inode_set(tree, inode);
}

static int remove_file(struct tree *tree, uint64_t number, uint64_t ino)
{
    int rc = tree_dentry_remove(tree, TREE_ROOT, name_of(number));
    return rc < 0 ? rc : tree_inode_remove(tree, ino);
}

/* Six records make a file, change it, and let it be or remove it. */
static int change_file(struct node *node, uint64_t number, uint64_t phase)
{
    struct dentry dentry;
    struct inode inode;
    int rc = tree_dentry_get(node->tree, TREE_ROOT, name_of(number), &dentry);
    if (rc == 0) {
        rc = tree_inode_get(node->tree, dentry.ino, &inode);
    }
    if (rc < 0) {
        return rc;
    }
    switch (phase) {
    case 1:
        return write_file(node, &inode, inode.size, 100);
    case 2:
        return write_file(node, &inode, inode.size, 9000);
    case 3:
        return write_file(node, &inode, inode.size / 2, 1000);
    case 4:
        return cut_file(node->tree, &inode, 5000);
    default:
        return number % 4 == 1 ? remove_file(node->tree, number, inode.ino)
                               : write_file(node, &inode, 20000, 7);
    }
}

static int apply_record(struct node *node, uint64_t index)
{
    uint64_t phase = (index - 1) % 6;
    int rc = tree_begin(node->tree);
    if (rc == 0) {
        rc = phase == 0 ? create_file(node->tree, index)
                        : change_file(node, index - phase, phase);
    }
    if (rc == 0) {
        rc = tree_session_put(node->tree, 3,
                              (struct view){&index, sizeof(index)});
    }
    if (rc == 0) {
        rc = tree_purge_step(node->tree, 2);
    }
    return rc < 0 ? rc : tree_set_applied(node->tree, index, 1, index, 0);
}

/* Applies what is missing. Keeps the digest after each record, if wanted. */
static int apply_rest(struct node *node, uint64_t *digests)
{
    int rc = 0;
    while (rc >= 0 && tree_applied(node->tree) < RECORDS) {
        uint64_t index = tree_applied(node->tree) + 1;
        rc = apply_record(node, index);
        if (rc >= 0 && digests != NULL) {
            digests[index] = tree_digest(node->tree);
        }
        if (rc >= 0 && index % RECORDS_A_COMMIT == 0) {
            rc = tree_commit(node->tree);
            node->committed = rc < 0 ? node->committed : index;
        }
    }
    return rc;
}

/* --- the tests --- */

static uint64_t digests[RECORDS + 1];

static void make_node(struct node *node, const char *directory)
{
    char path[600];
    *node = (struct node){.directory = directory};
    mkdir(directory, 0700);
    snprintf(path, sizeof(path), "%s/tree.db", directory);
    assert_ok(tree_create(path, 7));
}

static void learn_digests(const char *directory)
{
    struct node node;
    make_node(&node, directory);
    assert_ok(node_open(&node));
    digests[0] = tree_digest(node.tree);
    assert_ok(apply_rest(&node, digests));
    assert_int_equal(node.committed, RECORDS);
    assert_ok(tree_check(node.tree, NULL, NULL));
    node_close(&node);
    remove_tree(directory);
}

static void expect_recovery(struct node *node)
{
    assert_ok(node_open(node));
    uint64_t applied = tree_applied(node->tree);
    assert_in_range(applied, node->committed, RECORDS);
    assert_int_equal(tree_digest(node->tree), digests[applied]);
    assert_ok(tree_check(node->tree, NULL, NULL));
    assert_ok(apply_rest(node, NULL));
    assert_int_equal(tree_digest(node->tree), digests[RECORDS]);
    assert_ok(tree_check(node->tree, NULL, NULL));
    node_close(node);
}

/* False when the n-th access is beyond the end. */
static bool fail_one(const char *directory, enum fault_kind kind, unsigned n)
{
    struct node node;
    make_node(&node, directory);
    faults_arm(kind, n, false);
    int rc = node_open(&node);
    if (rc == 0) {
        rc = apply_rest(&node, NULL);
    }
    bool fired = faults_fired();
    /* What fails on the way out, and where nobody waits, may go unseen. */
    if (rc < 0) {
        assert_true(fired);
        assert_true(rc == (kind == FAULT_FULL ? STORE_FULL : STORE_IO));
    }
    node_close(&node);
    faults_disarm();
    expect_recovery(&node);
    remove_tree(directory);
    return fired;
}

static void fail_each(void **state, enum fault_kind kind)
{
    learn_digests(scratch_path(state, "learn"));
    char directory[512];
    snprintf(directory, sizeof(directory), "%s", scratch_path(state, "a"));
    faults_install();
    unsigned n = 1;
    while (fail_one(directory, kind, n)) {
        n++;
    }
    faults_remove();
    assert_in_range(n, 50, 100000);
}

static void each_failing_access_stops_and_is_recovered(void **state)
{
    fail_each(state, FAULT_IO);
}

static void a_full_disk_stops_and_is_recovered(void **state)
{
    fail_each(state, FAULT_FULL);
}

/* A change that failed halfway must not be committed with the next. */
static void a_broken_transaction_is_never_committed(void **state)
{
    struct node node;
    char directory[512];
    snprintf(directory, sizeof(directory), "%s", scratch_path(state, "a"));
    make_node(&node, directory);
    assert_ok(node_open(&node));
    assert_ok(apply_record(&node, 1));
    assert_ok(tree_commit(node.tree));
    uint64_t digest = tree_digest(node.tree);
    assert_ok(apply_record(&node, 2));
    /* The name is there already. */
    assert_true(create_file(node.tree, 1) < 0);
    assert_true(tree_commit(node.tree) < 0);
    assert_true(tree_commit(node.tree) < 0);
    /* As SQLite does by itself when the disk is full. */
    assert_ok(db_rollback(&node.tree->db));
    assert_true(tree_commit(node.tree) < 0);
    node_close(&node);
    assert_ok(node_open(&node));
    assert_int_equal(tree_applied(node.tree), 1);
    assert_int_equal(tree_digest(node.tree), digest);
    assert_ok(tree_check(node.tree, NULL, NULL));
    node_close(&node);
}

int main(void)
{
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_failing_access_stops_and_is_recovered),
        TEST(a_full_disk_stops_and_is_recovered),
        TEST(a_broken_transaction_is_never_committed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

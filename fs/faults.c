#include "fs/faults.h"

#include "fs/node.h"
#include "store/error.h"

#include <string.h>

static const struct {
    const char *name;
    int code;
} points[FAULT_POINTS] = {
#define FAULT_POINT_ROW(point, name, code) [point] = {name, code},
    FAULT_POINTS_TABLE(FAULT_POINT_ROW)
#undef FAULT_POINT_ROW
};

int faults_hit(struct faults *faults, enum fault_point point)
{
    if (faults->left[point] == 0) {
        return 0;
    }
    if (faults->left[point] != UINT64_MAX) {
        faults->left[point]--;
    }
    return store_fail(points[point].code, "%s fails, as it was told to",
                      points[point].name);
}

bool faults_set(struct faults *faults, const char *name, uint64_t count)
{
    for (int i = 0; i < FAULT_POINTS; i++) {
        if (strcmp(points[i].name, name) == 0) {
            faults->left[i] = count == 0 ? UINT64_MAX : count;
            return true;
        }
    }
    return false;
}

void faults_mend(struct faults *faults)
{
    *faults = (struct faults){{0}};
}

/* --- the control socket --- */

static json_t *refuse(const char *text)
{
    return json_pack("{s:s}", "error", text);
}

static json_t *heal(struct node *node)
{
    const struct raft_members *members = &node->members.members;
    for (uint32_t i = 0; i < members->count; i++) {
        transport_cut(node->transport, members->list[i].id, false);
    }
    return json_object();
}

static json_t *make_fail(struct node *node, const json_t *request)
{
    const char *point = json_string_value(json_object_get(request, "point"));
    json_int_t count = json_integer_value(json_object_get(request, "count"));
    return point != NULL && count >= 0 &&
                   faults_set(&node->faults, point, (uint64_t)count)
               ? json_object()
               : refuse("there is no such point; `raftfs fault --help` "
                        "lists them");
}

json_t *faults_control(struct node *node, const json_t *request)
{
    const char *action = json_string_value(json_object_get(request, "action"));
    const char *name = json_string_value(json_object_get(request, "node"));
    if (!node->options.allow_faults) {
        return refuse("refused: this node was not started with --allow-faults");
    }
    if (action != NULL && strcmp(action, "heal") == 0) {
        return heal(node);
    }
    if (action != NULL && strcmp(action, "mend") == 0) {
        faults_mend(&node->faults);
        return json_object();
    }
    if (action != NULL && strcmp(action, "fail") == 0) {
        return make_fail(node, request);
    }
    bool cut = action != NULL && strcmp(action, "cut") == 0;
    if (!cut && (action == NULL || strcmp(action, "uncut") != 0)) {
        return refuse("a fault is cut, uncut, heal, fail or mend");
    }
    node_id id = members_id(node, name);
    if (id == 0 || id == node->self) {
        return refuse("no other node of this cluster has that name");
    }
    transport_cut(node->transport, id, cut);
    return json_object();
}

/* libuv, as far as raftfs uses it: timers, wake-ups, idle and prepare handles,
 * and the work queue. A turn is one iteration of a real loop: timers, idle,
 * prepare; what comes from outside wakes it.
 */
#include "tests/sim/full/full.h"

#include "store/error.h"

#include <assert.h>
#include <setjmp.h>
#include <string.h>

static struct sim_node *sim_of(const uv_handle_t *handle)
{
    return (struct sim_node *)handle->loop->data;
}

int uv_loop_init(uv_loop_t *loop)
{
    memset(loop, 0, sizeof(*loop));
    loop->data = here;
    here->timer_count = here->async_count = here->idle_count = 0;
    here->async_sent = 0;
    here->prepare = NULL;
    return 0;
}

int uv_loop_close(uv_loop_t *loop)
{
    (void)loop;
    return 0;
}

static void handle_init(uv_loop_t *loop, uv_handle_t *handle,
                        uv_handle_type type)
{
    handle->loop = loop;
    handle->type = type;
    handle->flags = 0;
    handle->close_cb = NULL;
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer)
{
    struct sim_node *sim = loop->data;
    handle_init(loop, (uv_handle_t *)timer, UV_TIMER);
    assert(sim->timer_count < 32);
    sim->timers[sim->timer_count++] = timer;
    timer->timeout = UINT64_MAX;
    return 0;
}

/* The loop counts milliseconds of its node's clock. */
int uv_timer_start(uv_timer_t *timer, uv_timer_cb call, uint64_t timeout,
                   uint64_t repeat)
{
    struct sim_node *sim = sim_of((uv_handle_t *)timer);
    uint64_t now_ms = node_clock(sim) / 1000;
    timer->timer_cb = call;
    timer->timeout = now_ms + timeout;
    timer->repeat = repeat;
    timer->flags = 1;
    return 0;
}

int uv_timer_stop(uv_timer_t *timer)
{
    timer->timeout = UINT64_MAX;
    timer->flags = 0;
    return 0;
}

int uv_is_active(const uv_handle_t *handle)
{
    return handle->flags != 0;
}

int uv_prepare_init(uv_loop_t *loop, uv_prepare_t *prepare)
{
    handle_init(loop, (uv_handle_t *)prepare, UV_PREPARE);
    ((struct sim_node *)loop->data)->prepare = prepare;
    return 0;
}

int uv_prepare_start(uv_prepare_t *prepare, uv_prepare_cb call)
{
    prepare->prepare_cb = call;
    prepare->flags = 1;
    return 0;
}

int uv_prepare_stop(uv_prepare_t *prepare)
{
    prepare->flags = 0;
    return 0;
}

int uv_async_init(uv_loop_t *loop, uv_async_t *async, uv_async_cb call)
{
    struct sim_node *sim = loop->data;
    handle_init(loop, (uv_handle_t *)async, UV_ASYNC);
    assert(sim->async_count < 8);
    async->async_cb = call;
    sim->asyncs[sim->async_count++] = async;
    return 0;
}

int uv_async_send(uv_async_t *async)
{
    struct sim_node *sim = sim_of((uv_handle_t *)async);
    for (uint32_t i = 0; i < sim->async_count; i++) {
        if (sim->asyncs[i] == async) {
            sim->async_sent |= 1u << i;
        }
    }
    node_wake(sim);
    return 0;
}

int uv_idle_init(uv_loop_t *loop, uv_idle_t *idle)
{
    struct sim_node *sim = loop->data;
    handle_init(loop, (uv_handle_t *)idle, UV_IDLE);
    assert(sim->idle_count < 4);
    sim->idles[sim->idle_count++] = idle;
    return 0;
}

int uv_idle_start(uv_idle_t *idle, uv_idle_cb call)
{
    idle->idle_cb = call;
    idle->flags = 1;
    node_wake(sim_of((uv_handle_t *)idle));
    return 0;
}

int uv_idle_stop(uv_idle_t *idle)
{
    idle->flags = 0;
    return 0;
}

int uv_signal_init(uv_loop_t *loop, uv_signal_t *signal)
{
    handle_init(loop, (uv_handle_t *)signal, UV_SIGNAL);
    return 0;
}

int uv_signal_start(uv_signal_t *signal, uv_signal_cb call, int number)
{
    signal->signal_cb = call;
    signal->signum = number;
    return 0;
}

int uv_poll_stop(uv_poll_t *poll)
{
    (void)poll;
    return 0;
}

void uv_update_time(uv_loop_t *loop)
{
    (void)loop;
}

void uv_stop(uv_loop_t *loop)
{
    struct sim_node *sim = loop->data;
    if (sim->crash_after == 0) {
        sim->crash_after = world.now; /* it ends by itself */
    }
}

void uv_close(uv_handle_t *handle, uv_close_cb call)
{
    handle->flags = 0;
    if (call != NULL) {
        call(handle);
    }
}

int uv_is_closing(const uv_handle_t *handle)
{
    (void)handle;
    return 1;
}

void uv_walk(uv_loop_t *loop, uv_walk_cb call, void *arg)
{
    (void)loop;
    (void)call;
    (void)arg;
}

/* --- the work queue --- */

int uv_queue_work(uv_loop_t *loop, uv_work_t *work, uv_work_cb call,
                  uv_after_work_cb after)
{
    struct sim_node *sim = loop->data;
    work->loop = loop;
    work->work_cb = call;
    work->after_work_cb = after;
    world_push((struct event){.at = world.now + 1 +
                                    rng_tail(&world.disk, 300),
                              .kind = EV_WORK,
                              .node = sim->at,
                              .what = work});
    return 0;
}

static jmp_buf process_end;
static bool may_end;

static void do_work(const struct event *event)
{
    uv_work_t *work = event->what;
    work->work_cb(work);
    work->after_work_cb(work, 0);
}

/* In here the product may end its process: it has no tree any more. */
void loop_work(struct event *event)
{
    if (setjmp(process_end) == 0) {
        may_end = true;
        do_work(event);
    }
    may_end = false;
}

_Noreturn void __wrap_abort(void);

/* One process of many: that node has crashed, and is started again. */
_Noreturn void __wrap_abort(void)
{
    struct sim_node *sim = here;
    if (!may_end || on_fiber() ||
        (!sim->dying && !sim->stumbled && sim->disk.room > 1 << 20)) {
        sim_fail(sim, "end", "ends itself without a reason: %s",
                 store_error_text());
    }
    sim_trace(sim, "ends itself: %s", store_error_text());
    world.counters.ended++;
    if (!sim->dying) {
        node_crash(sim, true);
        sim->image.room = UINT64_MAX / 2; /* a person has looked after it */
    }
    longjmp(process_end, 1);
}

/* Only a node that is being closed waits like this. */
int uv_run(uv_loop_t *loop, uv_run_mode mode)
{
    struct sim_node *sim = loop->data;
    if (mode != UV_RUN_ONCE) {
        return 0;
    }
    for (size_t i = 0; i < world.heap_count; i++) {
        struct event *event = &world.heap[i];
        if (event->kind == EV_WORK && event->node == sim->at &&
            event->what != NULL) {
            struct event copy = *event;
            event->what = NULL;
            do_work(&copy);
            return 1;
        }
    }
    return 0;
}

/* --- turns --- */

static bool any_idle(const struct sim_node *sim)
{
    for (uint32_t i = 0; i < sim->idle_count; i++) {
        if (sim->idles[i]->flags != 0) {
            return true;
        }
    }
    return false;
}

uint64_t loop_due(const struct sim_node *sim)
{
    uint64_t due = sim->turn_at;
    for (uint32_t i = 0; i < sim->timer_count; i++) {
        uint64_t ms = sim->timers[i]->timeout;
        if (ms != UINT64_MAX) {
            uint64_t at = clock_inverse(sim, ms * 1000);
            due = at < due ? at : due;
        }
    }
    return due;
}

static void run_timers(struct sim_node *sim)
{
    uint64_t now_ms = node_clock(sim) / 1000;
    for (uint32_t i = 0; i < sim->timer_count; i++) {
        uv_timer_t *timer = sim->timers[i];
        if (timer->timeout <= now_ms) {
            timer->timeout =
                timer->repeat == 0 ? UINT64_MAX : now_ms + timer->repeat;
            timer->flags = timer->repeat != 0;
            timer->timer_cb(timer);
        }
    }
}

void loop_turn(struct sim_node *sim)
{
    sim->turn_at = UINT64_MAX;
    uint32_t sent = sim->async_sent;
    sim->async_sent = 0;
    for (uint32_t i = 0; i < sim->async_count; i++) {
        if ((sent & (1u << i)) != 0) {
            sim->asyncs[i]->async_cb(sim->asyncs[i]);
        }
    }
    run_timers(sim);
    for (uint32_t i = 0; i < sim->idle_count; i++) {
        if (sim->idles[i]->flags != 0) {
            sim->idles[i]->idle_cb(sim->idles[i]);
        }
    }
    if (sim->prepare->flags != 0) {
        sim->prepare->prepare_cb(sim->prepare);
    }
    if (any_idle(sim)) {
        node_wake(sim);
    }
}

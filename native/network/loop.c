#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"

#define EVENTS_A_TURN 64

static int epoll = CLOSED_FD;
static struct timer **heap; // from place 1 on
static size_t heap_count, heap_room;
static void **garbage;
static size_t garbage_count, garbage_room;

uint64_t loop_now(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECONDS + (uint64_t)now.tv_nsec;
}

int loop_open(struct err *err) {
    epoll = epoll_create1(EPOLL_CLOEXEC);
    return epoll < 0 ? err_sys(err, "epoll_create1", NULL) : 0;
}

void loop_forget(void) {
    close_fd_at(&epoll);
    heap_count = garbage_count = 0;
}

// ---- descriptors -----------------------------------------------------------------------------------

bool loop_add(struct watch *watch, int fd, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = watch};
    watch->fd = fd;
    if (fd >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0)
        return true;
    close_fd_at(&watch->fd);
    return false;
}

void loop_change(const struct watch *watch, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = (void *)(uintptr_t)watch};
    if (watch->fd >= 0)
        (void)epoll_ctl(epoll, EPOLL_CTL_MOD, watch->fd, &event);
}

// Taken out by hand: what a supervisor handed over has another copy there, and an epoll goes on reporting an
// open file until its last copy is closed (epoll(7)).
void loop_close(struct watch *watch) {
    if (watch->fd < 0)
        return;
    (void)epoll_ctl(epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    close_fd_at(&watch->fd);
}

// ---- timers: a binary heap, the next one first -------------------------------------------------------

static void put(struct timer *timer, size_t place) {
    heap[place] = timer;
    timer->place = place;
}

static void sink(struct timer *timer, size_t place) {
    for (;;) {
        size_t child = place * 2;
        if (child < heap_count && heap[child + 1]->at_ns < heap[child]->at_ns)
            child++;
        if (child > heap_count || heap[child]->at_ns >= timer->at_ns)
            break;
        put(heap[child], place);
        place = child;
    }
    put(timer, place);
}

static void rise(struct timer *timer, size_t place) {
    while (place > 1 && heap[place / 2]->at_ns > timer->at_ns) {
        put(heap[place / 2], place);
        place /= 2;
    }
    put(timer, place);
}

void timer_clear(struct timer *timer) {
    size_t place = timer->place;
    if (place == 0)
        return;
    timer->place = 0;
    struct timer *last = heap[heap_count--];
    if (last == timer)
        return;
    if (place > 1 && heap[place / 2]->at_ns > last->at_ns)
        rise(last, place);
    else
        sink(last, place);
}

bool timer_set(struct timer *timer, uint64_t at_ns) {
    timer_clear(timer);
    if (heap_count + 1 >= heap_room) {
        size_t room = heap_room == 0 ? 64 : heap_room * 2;
        struct timer **larger = realloc(heap, room * sizeof(*larger));
        if (larger == NULL)
            return false;
        heap = larger;
        heap_room = room;
    }
    timer->at_ns = at_ns;
    rise(timer, ++heap_count);
    return true;
}

static void tell_due(uint64_t now) {
    while (heap_count > 0 && heap[1]->at_ns <= now) {
        struct timer *timer = heap[1];
        timer_clear(timer);
        timer->due(timer);
    }
}

// ---- turns -------------------------------------------------------------------------------------------

void loop_free_later(void *pointer) {
    if (garbage_count == garbage_room) {
        size_t room = garbage_room == 0 ? 64 : garbage_room * 2;
        void **larger = realloc(garbage, room * sizeof(*larger));
        if (larger == NULL)
            return; // lost memory is better than a pointer to nothing
        garbage = larger;
        garbage_room = room;
    }
    garbage[garbage_count++] = pointer;
}

static int milliseconds_to_wait(void) {
    if (heap_count == 0)
        return -1;
    uint64_t now = loop_now();
    if (heap[1]->at_ns <= now)
        return 0;
    uint64_t left = (heap[1]->at_ns - now) / MILLISECONDS + 1;
    return left > 60000 ? 60000 : (int)left;
}

void loop_turn(void) {
    struct epoll_event events[EVENTS_A_TURN];
    int count = epoll_wait(epoll, events, EVENTS_A_TURN, milliseconds_to_wait());
    for (int index = 0; index < count; index++) {
        struct watch *watch = events[index].data.ptr;
        if (watch->fd >= 0)
            watch->ready(watch, events[index].events);
    }
    tell_due(loop_now());
    while (garbage_count > 0)
        free(garbage[--garbage_count]);
}

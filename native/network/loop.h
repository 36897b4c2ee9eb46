// An event loop: descriptors, timers, and what is freed when a turn is over. One thread, one loop. Of the DNS
// relay, and of what holds published ports.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "err.h"

#define NEVER UINT64_MAX
#define MILLISECONDS UINT64_C(1000000)
#define SECONDS (1000 * MILLISECONDS)

// The structure that a member lies in.
#define OWNER(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

// A descriptor with who hears of it. It is closed by loop_close() alone.
struct watch {
    int fd;
    void (*ready)(struct watch *watch, uint32_t events);
};

// A moment with who hears of it. All zeros: not set.
struct timer {
    uint64_t at_ns;
    size_t place; // in the heap, from 1 on; 0: not set
    void (*due)(struct timer *timer);
};

uint64_t loop_now(void);
int loop_open(struct err *err);
// In a fork, which has the loop of who has forked: nothing is heard any more, until it opens its own.
void loop_forget(void);
// Takes the descriptor, also where it fails.
bool loop_add(struct watch *watch, int fd, uint32_t events);
void loop_change(const struct watch *watch, uint32_t events);
// Nothing is heard of it any more, not of this turn either.
void loop_close(struct watch *watch);
// False: memory is short.
bool timer_set(struct timer *timer, uint64_t at_ns);
void timer_clear(struct timer *timer);
// Frees when the turn is over: an event of it may still name a watch inside.
void loop_free_later(void *pointer);
// Waits for events and tells of them, once.
void loop_turn(void);

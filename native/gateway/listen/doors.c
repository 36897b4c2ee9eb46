#include "listen/doors.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "listen/sockets.h"
#include "log.h"
#include "loop.h"
#include "status.h"

#define AGAIN (5 * SECONDS)

struct door {
    struct watch watch;
    char *address; // NULL: the service manager's
    enum door_kind kind;
};

#define DOORS (DOOR_KINDS * SOCKETS_MOST)

static struct door doors[DOORS];
static void (*tell)(int socket, enum door_kind kind);
static bool inherited;
static struct timer again;
static char *wanted[DOOR_KINDS][MOST_LISTENERS + 1];
// Those of them that can't be had.
static char *missing[DOOR_KINDS * MOST_LISTENERS + 1];

static void ready(struct watch *watch, uint32_t events) {
    (void)events;
    tell(watch->fd, OWNER(watch, struct door, watch)->kind);
}

static bool add(enum door_kind kind, int socket, const char *address) {
    for (size_t index = 0; index < DOORS; index++) {
        struct door *door = &doors[index];
        if (door->watch.fd >= 0)
            continue;
        door->address = address != NULL ? strdup(address) : NULL;
        door->kind = kind;
        return loop_add(&door->watch, socket, EPOLLIN);
    }
    return false;
}

static void drop(struct door *door) {
    loop_close(&door->watch);
    free(door->address);
    door->address = NULL;
}

static bool has(enum door_kind kind, const char *address) {
    for (size_t index = 0; index < DOORS; index++)
        if (doors[index].watch.fd >= 0 && doors[index].kind == kind && doors[index].address != NULL &&
            strcmp(doors[index].address, address) == 0)
            return true;
    return false;
}

static bool is_wanted(const struct door *door) {
    for (char *const *other = wanted[door->kind]; *other != NULL; other++)
        if (strcmp(*other, door->address) == 0)
            return true;
    return false;
}

// `missed`: how many can't be had until now.
static size_t add_kind(enum door_kind kind, size_t missed) {
    for (char *const *address = wanted[kind]; *address != NULL; address++) {
        struct err err = {0};
        int sockets[2];
        char text[400];
        int count = has(kind, *address) ? 0 : sockets_listen(*address, sockets, &err);
        for (int index = 0; index < count; index++)
            (void)add(kind, sockets[index], *address);
        if (count >= 0)
            continue;
        err_text(&err, text, sizeof text);
        log_line(LOG_ERR, "Nobody can connect at %s: %s.", *address, text);
        missing[missed++] = *address;
    }
    return missed;
}

static void add_missing(struct timer *timer) {
    size_t missed = add_kind(DOOR_WEB, add_kind(DOOR_SSH, 0));
    missing[missed] = NULL;
    status_counts.unreachable = missing;
    status_changed();
    if (missed > 0)
        (void)timer_set(timer, loop_now() + AGAIN);
}

void doors_open(void (*knock)(int socket, enum door_kind kind)) {
    int sockets[SOCKETS_MOST];
    tell = knock;
    again.due = add_missing;
    for (size_t index = 0; index < DOORS; index++)
        doors[index].watch = (struct watch){.fd = -1, .ready = ready};
    size_t count = sockets_inherited(sockets);
    inherited = count > 0;
    for (size_t index = 0; index < count; index++)
        (void)add(DOOR_SSH, sockets[index], NULL);
    // Until there are settings nobody is let in.
    for (size_t index = 0; index < count; index++)
        loop_change(&doors[index].watch, 0);
}

void doors_set(enum door_kind kind, char *const *addresses) {
    bool is_given = inherited && kind == DOOR_SSH;
    for (size_t index = 0; is_given && index < SOCKETS_MOST; index++)
        loop_change(&doors[index].watch, EPOLLIN);
    if (is_given)
        return;
    missing[0] = NULL; // they are about to go
    for (size_t index = 0; index <= MOST_LISTENERS; index++) {
        free(wanted[kind][index]);
        wanted[kind][index] = NULL;
    }
    for (size_t index = 0; index < MOST_LISTENERS && addresses[index] != NULL; index++)
        wanted[kind][index] = strdup(addresses[index]);
    for (size_t index = 0; index < DOORS; index++)
        if (doors[index].address != NULL && doors[index].kind == kind && !is_wanted(&doors[index]))
            drop(&doors[index]);
    timer_clear(&again);
    add_missing(&again);
}

void doors_close(void) {
    for (size_t index = 0; index < DOORS; index++)
        drop(&doors[index]);
}

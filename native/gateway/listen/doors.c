#include "listen/doors.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "listen/sockets.h"
#include "log.h"
#include "loop.h"

#define AGAIN (5 * SECONDS)

struct door {
    struct watch watch;
    char *address; // NULL: the service manager's
};

static struct door doors[SOCKETS_MOST];
static void (*tell)(int socket);
static bool inherited;
static struct timer again;
static char *wanted[MOST_LISTENERS + 1];

static void ready(struct watch *watch, uint32_t events) {
    (void)events;
    tell(watch->fd);
}

static bool add(int socket, const char *address) {
    for (size_t index = 0; index < SOCKETS_MOST; index++) {
        struct door *door = &doors[index];
        if (door->watch.fd >= 0)
            continue;
        door->address = address != NULL ? strdup(address) : NULL;
        return loop_add(&door->watch, socket, EPOLLIN);
    }
    return false;
}

static void drop(struct door *door) {
    loop_close(&door->watch);
    free(door->address);
    door->address = NULL;
}

static bool has(const char *address) {
    for (size_t index = 0; index < SOCKETS_MOST; index++)
        if (doors[index].watch.fd >= 0 && doors[index].address != NULL &&
            strcmp(doors[index].address, address) == 0)
            return true;
    return false;
}

static bool is_wanted(const char *address) {
    for (char *const *other = wanted; *other != NULL; other++)
        if (strcmp(*other, address) == 0)
            return true;
    return false;
}

static void add_missing(struct timer *timer) {
    bool missing = false;
    for (char *const *address = wanted; *address != NULL; address++) {
        struct err err = {0};
        int sockets[2];
        char text[400];
        int count = has(*address) ? 0 : sockets_listen(*address, sockets, &err);
        for (int index = 0; index < count; index++)
            (void)add(sockets[index], *address);
        if (count >= 0)
            continue;
        err_text(&err, text, sizeof text);
        log_line(LOG_ERR, "Nobody can connect at %s: %s.", *address, text);
        missing = true;
    }
    if (missing)
        (void)timer_set(timer, loop_now() + AGAIN);
}

void doors_open(void (*knock)(int socket)) {
    int sockets[SOCKETS_MOST];
    tell = knock;
    again.due = add_missing;
    for (size_t index = 0; index < SOCKETS_MOST; index++)
        doors[index].watch = (struct watch){.fd = -1, .ready = ready};
    size_t count = sockets_inherited(sockets);
    inherited = count > 0;
    for (size_t index = 0; index < count; index++)
        (void)add(sockets[index], NULL);
    // Until there are settings nobody is let in.
    for (size_t index = 0; index < count; index++)
        loop_change(&doors[index].watch, 0);
}

void doors_set(char *const *addresses) {
    for (size_t index = 0; inherited && index < SOCKETS_MOST; index++)
        loop_change(&doors[index].watch, EPOLLIN);
    if (inherited)
        return;
    for (size_t index = 0; index <= MOST_LISTENERS; index++) {
        free(wanted[index]);
        wanted[index] = NULL;
    }
    for (size_t index = 0; index < MOST_LISTENERS && addresses[index] != NULL; index++)
        wanted[index] = strdup(addresses[index]);
    for (size_t index = 0; index < SOCKETS_MOST; index++)
        if (doors[index].address != NULL && !is_wanted(doors[index].address))
            drop(&doors[index]);
    timer_clear(&again);
    add_missing(&again);
}

void doors_close(void) {
    for (size_t index = 0; index < SOCKETS_MOST; index++)
        drop(&doors[index]);
}

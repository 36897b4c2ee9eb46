#include "monitor/joined.h"

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>

#include "cleanup.h"
#include "inside/inside.h"
#include "log.h"
#include "monitor/self.h"

#define MOST_GROUPS 65536
#define TTY_GROUP 5 // of every Linux

// What the monitor has of somebody who is in; it lasts as long as the process.
struct joined {
    struct inside inside;
    struct login login;
    char socket[4096];
    int watched; // the forwarder's socket, of which the loop has a copy; CLOSED_FD: there is none
};

static struct joined joined_self;

static bool find_groups(struct login *login) {
    int count = 64;
    for (;;) {
        int size = count;
        gid_t *groups = calloc((size_t)size, sizeof *groups);
        if (groups == NULL)
            return false;
        if (getgrouplist(login->user, login->gid, groups, &count) >= 0) {
            login->groups = groups;
            login->group_count = (size_t)count;
            return true;
        }
        free(groups);
        if (count <= size || count > MOST_GROUPS)
            return false;
    }
}

static struct rights rights_of(const struct grant *grant) {
    return (struct rights){
        .terminal = !grant->no_pty,
        .forward = !grant->no_forwarding,
        .agent = !grant->no_agent,
        .x11 = !grant->no_x11,
        .command = grant->command,
        .permit_open = grant->opens.given ? grant->opens.texts : NULL,
        .permit_listen = grant->listens.given ? grant->listens.texts : NULL,
        .environment = grant->variables.count > 0 ? grant->variables.texts : NULL,
    };
}

// Everything that the name service has to say, before we are where it can't be asked.
static bool find_login(struct joined *joined, struct monitor *monitor) {
    const struct account *account = &monitor->auth.account;
    const struct group *tty = getgrnam("tty");
    (void)snprintf(joined->socket, sizeof joined->socket, "%s/gateway.sock", monitor->world->run_folder);
    joined->login = (struct login){.socket = joined->socket,
                                   .client = monitor->world->client,
                                   .user = account->name,
                                   .home = account->home,
                                   .uid = account->uid,
                                   .gid = account->gid,
                                   .tty = tty != NULL ? tty->gr_gid : TTY_GROUP,
                                   .from = monitor->from,
                                   .entry = monitor->is_web ? "web" : NULL,
                                   .auth = monitor->auth.info,
                                   .rights = rights_of(&monitor->auth.grant)};
    return find_groups(&joined->login);
}

static void hear_forwarder(struct watch *watch, uint32_t events);

// The forwarder comes with the first forward, and may end.
static void follow(struct monitor *monitor) {
    struct joined *joined = &joined_self;
    int socket = inside_poll(&joined->inside);
    if (socket == joined->watched)
        return;
    if (joined->watched >= 0)
        loop_close(&monitor->inside_ready);
    joined->watched = socket;
    monitor->inside_ready.ready = hear_forwarder;
    if (socket >= 0 && !loop_add(&monitor->inside_ready, fcntl(socket, F_DUPFD_CLOEXEC, 3), EPOLLIN))
        monitor_end(monitor);
}

static void hear_forwarder(struct watch *watch, uint32_t events) {
    struct monitor *monitor = OWNER(watch, struct monitor, inside_ready);
    (void)events;
    if (inside_ready(monitor->inside) != 0)
        monitor_end(monitor);
    follow(monitor);
}

void joined_begin(struct monitor *monitor) {
    struct joined *joined = &joined_self;
    joined->watched = CLOSED_FD;
    if (!find_login(joined, monitor) ||
        inside_open(&joined->inside, &joined->login, monitor->requests.fd) != 0) {
        log_line(LOG_ERR, "The connection of %s can't be joined to a sandbox.", monitor->address);
        monitor_end(monitor);
    }
    monitor->login = &joined->login;
    monitor->inside = &joined->inside;
    if (!joined->inside.joined)
        log_line(LOG_NOTICE, "The connection of %s from %s is refused: %s", joined->login.user,
                 monitor->address, joined->inside.refusal);
}

// A page has a terminal, and nothing is forwarded.
static bool is_of_web(const uint8_t *bytes, size_t length) {
    struct wire_reader reader;
    return wire_open(&reader, bytes, length) && reader.type == MSG_GW_SESSION;
}

void joined_hear(struct monitor *monitor, const uint8_t *bytes, size_t length) {
    if (monitor->is_web && !is_of_web(bytes, length))
        monitor_breach(monitor, "a request that a page has no use for");
    if (inside_hear(monitor->inside, bytes, length) != 0)
        monitor_breach(monitor, "a request that is none");
    follow(monitor);
}

void joined_reap(struct monitor *monitor) {
    if (monitor->inside != NULL && inside_reap(monitor->inside) != 0)
        monitor_end(monitor);
}

void joined_end(struct monitor *monitor) {
    if (monitor->inside != NULL)
        inside_close(monitor->inside);
}

#include "monitor/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "auth/auth.h"
#include "cleanup.h"
#include "log.h"
#include "monitor/asked.h"
#include "monitor/joined.h"
#include "monitor/signatures.h"
#include "sys.h"

// A connection process that takes nothing for that long is stuck, or wants us to be.
#define SEND_SECONDS 10
#define BANNER_MOST (128 * 1024) // what is longer is cut

static struct monitor monitor_self;

// ---- the table -----------------------------------------------------------------------------------------

static bool web_served(struct monitor *monitor, const struct asked *asked) {
    (void)asked;
    if (monitor->is_web)
        monitor_report(monitor, REPORT_SERVED);
    return monitor->is_web;
}

// Each request, the states in which it is heard, and how often at most on one connection (0: as often as
// there are reasons to ask). False from its handler is a breach.
static const struct row {
    uint16_t type;
    unsigned states;
    uint32_t most;
    bool (*handle)(struct monitor *monitor, const struct asked *asked);
} table[] = {
    {MSG_GW_AUTH, STATE_LOGIN | STATE_PROMPTS, 128, auth_request},
    {MSG_GW_ANSWERS, STATE_PROMPTS, 64, auth_answers},
    {MSG_GW_SERVED, STATE_LOGIN, 1, web_served},
};
_Static_assert(sizeof table / sizeof table[0] <= ROWS_MOST, "counts has a place for each row");

static void dispatch(struct monitor *monitor, const struct asked *asked) {
    for (size_t index = 0; index < sizeof table / sizeof table[0]; index++) {
        const struct row *row = &table[index];
        if (row->type != asked->type)
            continue;
        if ((row->states & monitor->state) == 0)
            monitor_breach(monitor, "a request that is not to be made now");
        if (row->most > 0 && ++monitor->counts[index] > row->most)
            monitor_breach(monitor, "a request too many");
        if (!row->handle(monitor, asked))
            monitor_breach(monitor, "a request that is none");
        return;
    }
    monitor_breach(monitor, "a request that there is not");
}

static void hear(struct watch *watch, uint32_t events) {
    static uint8_t bytes[WIRE_MAX_BYTES];
    struct monitor *monitor = OWNER(watch, struct monitor, requests);
    struct asked asked;
    int fds[WIRE_MAX_FDS];
    unsigned count = 0;
    (void)events;
    ssize_t length = wire_receive(watch->fd, bytes, sizeof bytes, fds, &count);
    for (unsigned index = 0; index < count; index++)
        close_fd(fds[index]);
    if (length == 0 || (length < 0 && errno != EBADMSG))
        monitor_end(monitor);
    if (length < 0 || count > 0)
        monitor_breach(monitor, "no message, or descriptors");
    if (monitor->state == STATE_IN)
        joined_hear(monitor, bytes, (size_t)length);
    else if (asked_open(&asked, bytes, (size_t)length, count))
        dispatch(monitor, &asked);
    else
        monitor_breach(monitor, "no message");
}

static void sign(struct watch *watch, uint32_t events) {
    struct monitor *monitor = OWNER(watch, struct monitor, signatures);
    (void)events;
    if (!signatures_hear(monitor, watch->fd))
        monitor_breach(monitor, "a signature that nobody needs");
}

// ---- ends ----------------------------------------------------------------------------------------------

void monitor_report(const struct monitor *monitor, enum report report) {
    char byte = (char)report;
    (void)!write(monitor->report, &byte, 1);
}

_Noreturn void monitor_end(struct monitor *monitor) {
    (void)syscall(SYS_pidfd_send_signal, monitor->process.fd, SIGKILL, NULL, 0);
    joined_end(monitor);
    auth_end(&monitor->auth);
    exit(0);
}

_Noreturn void monitor_breach(struct monitor *monitor, const char *what) {
    log_line(LOG_WARNING, "The connection of %s is ended: its process has sent %s.", monitor->address, what);
    monitor_report(monitor, REPORT_BREACH);
    monitor_end(monitor);
}

void monitor_send(struct monitor *monitor, const uint8_t *bytes, size_t length, const int *fds,
                  unsigned count) {
    if (wire_send(monitor->requests.fd, bytes, length, fds, count) != 0)
        monitor_end(monitor);
}

static void process_ended(struct watch *watch, uint32_t events) {
    (void)events;
    monitor_end(OWNER(watch, struct monitor, process));
}

static void time_is_up(struct timer *timer) {
    struct monitor *monitor = OWNER(timer, struct monitor, grace);
    log_line(LOG_NOTICE, "%s has not logged in in time.", monitor->address);
    monitor_report(monitor, REPORT_TIME);
    monitor_end(monitor);
}

static void child_ended(struct watch *watch, uint32_t events) {
    struct signalfd_siginfo info;
    struct monitor *monitor = OWNER(watch, struct monitor, children);
    (void)events;
    while (read(watch->fd, &info, sizeof info) == (ssize_t)sizeof info)
        ;
    joined_reap(monitor);
}

// ---- a connection's life -------------------------------------------------------------------------------

static void put_banner(const struct monitor *monitor, struct wire_writer *writer) {
    const char *path = monitor->world->settings->banner;
    static char text[BANNER_MOST];
    cleanup_fd int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK) : CLOSED_FD;
    ssize_t length = fd >= 0 ? read(fd, text, sizeof text) : 0;
    if (length > 0 && memchr(text, '\0', (size_t)length) == NULL)
        wire_put(writer, TAG_TEXT, text, (size_t)length);
}

static void say_client(struct monitor *monitor, int client) {
    static uint8_t bytes[BANNER_MOST + 32 * 1024];
    char methods[256];
    struct wire_writer writer;
    const struct host_keys *keys = monitor->world->host_keys;
    wire_start(&writer, bytes, sizeof bytes, MSG_GW_CLIENT);
    wire_put_text(&writer, TAG_FROM, monitor->from);
    for (size_t index = 0; index < keys->count && !monitor->is_web; index++)
        wire_put(&writer, TAG_GW_KEY, keys->keys[index].blob, keys->keys[index].blob_length);
    auth_methods(monitor, methods, sizeof methods);
    wire_put_text(&writer, TAG_GW_METHODS, methods);
    put_banner(monitor, &writer);
    monitor_send(monitor, bytes, wire_finish(&writer, 1), &client, 1);
}

// What it may use of a processor before anybody has logged in is no bound for one who has.
static void lift_time_limit(const struct monitor *monitor) {
    const struct rlimit none = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    if (syscall(SYS_pidfd_send_signal, monitor->process.fd, 0, NULL, 0) == 0)
        (void)prlimit(monitor->process_pid, RLIMIT_CPU, &none, NULL);
}

void monitor_let_in(struct monitor *monitor) {
    monitor->state = STATE_IN;
    timer_clear(&monitor->grace);
    lift_time_limit(monitor);
    monitor_report(monitor, REPORT_IN);
    joined_begin(monitor);
}

static bool watch_children(struct monitor *monitor) {
    sigset_t child;
    (void)sigemptyset(&child);
    (void)sigaddset(&child, SIGCHLD);
    (void)sigprocmask(SIG_SETMASK, &child, NULL);
    return loop_add(&monitor->children, signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK), EPOLLIN);
}

static void reset_signals(void) {
    for (int number = 1; number < NSIG; number++)
        if (number != SIGPIPE)
            (void)signal(number, SIG_DFL);
    (void)signal(SIGPIPE, SIG_IGN);
}

_Noreturn void monitor_run(const struct monitor_world *world, const struct arrival *arrival) {
    struct monitor *monitor = &monitor_self;
    struct err err = {0};
    const struct timeval patience = {.tv_sec = SEND_SECONDS};
    *monitor = (struct monitor){.world = world,
                                .state = STATE_LOGIN,
                                .is_web = arrival->is_web,
                                .process_pid = arrival->process_pid,
                                .report = arrival->report,
                                .requests = {.ready = hear},
                                .signatures = {.ready = sign},
                                .process = {.ready = process_ended},
                                .children = {.ready = child_ended},
                                .inside_ready = {.fd = CLOSED_FD},
                                .grace = {.due = time_is_up}};
    memcpy(monitor->from, arrival->from, sizeof monitor->from);
    memcpy(monitor->address, arrival->address, sizeof monitor->address);
    reset_signals();
    (void)prctl(PR_SET_NAME, "dsh-monitor", 0, 0, 0);
    (void)setsockopt(arrival->requests, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    (void)setsockopt(arrival->signatures, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (loop_open(&err) != 0 || !loop_add(&monitor->process, arrival->process, EPOLLIN) ||
        !loop_add(&monitor->requests, arrival->requests, EPOLLIN) ||
        !loop_add(&monitor->signatures, arrival->signatures, EPOLLIN) || !watch_children(monitor) ||
        !timer_set(&monitor->grace, loop_now() + world->settings->grace_s * SECONDS))
        monitor_end(monitor);
    say_client(monitor, arrival->client);
    (void)close(arrival->client);
    for (;;)
        loop_turn();
}

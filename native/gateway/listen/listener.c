#include "listen/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "addresses.h"
#include "cleanup.h"
#include "listen/doors.h"
#include "listen/startups.h"
#include "log.h"
#include "status.h"
#include "sys.h"
#include "web/front.h"

#define ACCEPTS_A_TURN 16
#define PAUSE_MS 50                     // where there is no descriptor, or no memory, for another client
#define FILL_LATER (200 * MILLISECONDS) // where the last one could not be started, or has ended by itself

static struct monitor_world world;
static const char *host_keys_folder;
static struct host_keys host_keys;
static struct pool pools[DOOR_KINDS];
static struct watch children;
static struct timer fill;
static bool failing;

// ---- connections that have not logged in ---------------------------------------------------------------

struct startup {
    struct watch report; // the monitor's, until it ends
    struct source source;
    enum offence offence;
    bool counted; // nobody has logged in yet
    enum door_kind kind;
    char address[ADDRESS_SIZE];
};

static void count(void) {
    status_counts.waiting = startups_count();
    status_changed();
}

static uint64_t now_ms(void) {
    return loop_now() / MILLISECONDS;
}

static enum offence offence_of(char report) {
    switch (report) {
    case REPORT_FAILED:
        return OFFENCE_FAILED;
    case REPORT_NOBODY:
        return OFFENCE_NOBODY;
    case REPORT_TIME:
        return OFFENCE_TIME;
    case REPORT_BREACH:
        return OFFENCE_BREACH;
    default:
        return OFFENCE_NONE;
    }
}

static void settle(struct startup *startup) {
    if (!startup->counted)
        return;
    startup->counted = false;
    startups_end(&startup->source);
    count();
    if (startups_punish(world.settings, &startup->source, startup->offence, now_ms()))
        log_line(LOG_NOTICE, "%s is kept out for a while.", startup->address);
}

static void hear_report(struct watch *watch, uint32_t events) {
    struct startup *startup = OWNER(watch, struct startup, report);
    char bytes[64];
    (void)events;
    ssize_t length = read(watch->fd, bytes, sizeof bytes);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    for (ssize_t index = 0; index < length; index++) {
        enum offence offence = offence_of(bytes[index]);
        if (bytes[index] == REPORT_IN) {
            status_counts.logged_in++;
            status_counts.web_logged_in += startup->kind == DOOR_WEB ? 1 : 0;
            startup->offence = OFFENCE_NONE;
            length = 0; // nothing more of it is of interest, and there may be thousands
        } else if (offence > startup->offence || startup->offence == OFFENCE_NOTHING) {
            startup->offence = offence;
        }
    }
    if (length > 0)
        return;
    settle(startup);
    loop_close(&startup->report);
    loop_free_later(startup);
}

// ---- a client ------------------------------------------------------------------------------------------

// Nothing of the listener's stays open in a monitor but what it needs.
static _Noreturn void become_monitor(struct arrival *arrival) {
    int *const kept[] = {&arrival->client, &arrival->requests, &arrival->signatures, &arrival->process,
                         &arrival->report};
    enum { FIRST = 3, COUNT = sizeof kept / sizeof kept[0] };
    int high[COUNT];
    loop_forget();
    front_close();
    for (int index = 0; index < COUNT; index++)
        high[index] = fcntl(*kept[index], F_DUPFD_CLOEXEC, FIRST + COUNT);
    for (int index = 0; index < COUNT; index++) {
        if (high[index] < 0 || dup3(high[index], FIRST + index, O_CLOEXEC) < 0)
            _exit(71);
        *kept[index] = FIRST + index;
    }
    (void)sys_close_range(FIRST + COUNT, ~0u, 0);
    monitor_run(&world, arrival);
}

// What the connection process gets: the client's connection, or what is in its TLS.
static int front_of(enum door_kind kind, int client) {
    return kind == DOOR_SSH ? fcntl(client, F_DUPFD_CLOEXEC, 3) : front_start(world.settings, client);
}

static bool serve(enum door_kind kind, int client, const struct sockaddr_storage *peer, socklen_t peer_size,
                  const struct source *source) {
    struct arrival arrival = {.is_web = kind == DOOR_WEB};
    struct servant servant;
    int ends[2];
    cleanup_fd int front = front_of(kind, client);
    struct startup *startup = calloc(1, sizeof *startup);
    if (front < 0 || startup == NULL || pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        free(startup);
        return false;
    }
    arrival.client = front;
    addresses_name(&arrival, client, peer, peer_size);
    *startup = (struct startup){.report = {.ready = hear_report},
                                .source = *source,
                                .offence = OFFENCE_NOTHING,
                                .counted = true,
                                .kind = kind};
    memcpy(startup->address, arrival.address, sizeof startup->address);
    pid_t pid = -1;
    if (pool_take(&pools[kind], &servant)) {
        arrival.requests = servant.requests;
        arrival.signatures = servant.signatures;
        arrival.process = servant.process;
        arrival.process_pid = servant.pid;
        arrival.report = ends[1];
        pid = fork();
        if (pid == 0)
            become_monitor(&arrival);
        servant_close(&servant);
    }
    close_fd(ends[1]);
    if (pid < 0 || !loop_add(&startup->report, ends[0], EPOLLIN)) {
        close_fd(pid < 0 ? ends[0] : CLOSED_FD);
        free(startup);
        return false;
    }
    return true;
}

static uint32_t chance(void) {
    uint32_t number = 0;
    (void)!getrandom(&number, sizeof number, 0);
    return number % 100;
}

static void come(enum door_kind kind, int client, const struct sockaddr_storage *peer, socklen_t size) {
    static const int on = 1;
    struct source source = source_of(peer, world.settings);
    enum verdict verdict = startups_begin(world.settings, &source, chance(), now_ms());
    status_counts.accepted++;
    status_counts.web_accepted += kind == DOOR_WEB ? 1 : 0;
    status_counts.full += verdict == VERDICT_FULL ? 1 : 0;
    status_counts.source_full += verdict == VERDICT_SOURCE_FULL ? 1 : 0;
    status_counts.kept_out += verdict == VERDICT_KEPT_OUT ? 1 : 0;
    count();
    if (verdict != VERDICT_IN)
        return;
    (void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(client, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    if (!serve(kind, client, peer, size, &source)) {
        startups_end(&source);
        status_counts.failed++;
        count();
        log_line(LOG_ERR, "A connection is dropped: there is no process for it: %s.", strerror(errno));
    }
    if (!failing && fill.place == 0)
        (void)timer_set(&fill, loop_now());
}

static void knock(int socket, enum door_kind kind) {
    for (int count = 0; count < ACCEPTS_A_TURN; count++) {
        struct sockaddr_storage peer = {0};
        socklen_t size = sizeof peer;
        cleanup_fd int client =
            accept4(socket, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (client < 0) {
            // It stays in the queue, and would be told of without end.
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
                (void)poll(NULL, 0, PAUSE_MS);
            return;
        }
        come(kind, client, &peer, size);
    }
}

// ---- processes that have ended -------------------------------------------------------------------------

static void fill_pool(struct timer *timer) {
    failing = false;
    for (int kind = 0; kind < DOOR_KINDS; kind++)
        if (pool_fill(&pools[kind]))
            (void)timer_set(timer, loop_now());
}

// Neither we nor a bound of the kernel's have ended it: that costs its own connection, and is a fault.
static void say_crash(pid_t pid, int status) {
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : SIGKILL;
    if (number != SIGKILL && number != SIGXCPU)
        log_line(LOG_ERR, "The process %d of a connection has crashed: %s.", (int)pid, strsignal(number));
}

static void reap(struct watch *watch, uint32_t events) {
    struct signalfd_siginfo info;
    pid_t pid;
    (void)events;
    while (read(watch->fd, &info, sizeof info) == (ssize_t)sizeof info)
        ;
    for (int status; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        say_crash(pid, status);
        failing |= pool_lost(&pools[DOOR_SSH], pid) || pool_lost(&pools[DOOR_WEB], pid);
        if (failing)
            (void)timer_set(&fill, loop_now() + FILL_LATER);
    }
}

// ---- settings ------------------------------------------------------------------------------------------

int listener_configure(struct settings *settings, struct err *err) {
    struct host_keys keys;
    if (host_keys_load(&keys, settings, host_keys_folder, err) != 0) {
        settings_free(settings);
        return -1;
    }
    host_keys_close(&host_keys);
    host_keys = keys;
    settings_free((struct settings *)(uintptr_t)world.settings);
    world.settings = settings;
    status_counts.settings = settings;
    status_changed();
    front_look(settings);
    doors_set(DOOR_SSH, settings->listen);
    doors_set(DOOR_WEB, settings->web);
    pool_resize(&pools[DOOR_SSH], settings->spare);
    pool_resize(&pools[DOOR_WEB], settings->web[0] != NULL ? settings->spare : 0);
    return timer_set(&fill, loop_now()) ? 0 : err_plain(err, FAILURE_MEMORY, "memory is short", NULL);
}

int listener_open(const struct listener_options *options, struct err *err) {
    static struct gateway_program programs[DOOR_KINDS];
    sigset_t child;
    world = options->world;
    world.host_keys = &host_keys;
    programs[DOOR_SSH] = programs[DOOR_WEB] = options->program;
    programs[DOOR_WEB].script = options->web_script;
    front_open(options->tls_program);
    host_keys_folder = options->host_keys_folder;
    (void)sigemptyset(&child);
    (void)sigaddset(&child, SIGCHLD);
    children.ready = reap;
    fill.due = fill_pool;
    if (sigprocmask(SIG_BLOCK, &child, NULL) != 0 ||
        !loop_add(&children, signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK), EPOLLIN))
        return err_sys(err, "hear of processes that end", NULL);
    for (int kind = 0; kind < DOOR_KINDS; kind++)
        pool_open(&pools[kind], &programs[kind]);
    doors_open(knock);
    status_open(world.run_folder);
    return 0;
}

void listener_close(void) {
    doors_close();
    for (int kind = 0; kind < DOOR_KINDS; kind++)
        pool_resize(&pools[kind], 0);
    status_close();
}

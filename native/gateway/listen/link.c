#include "listen/link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "cleanup.h"
#include "log.h"
#include "loop.h"

#define AGAIN (1 * SECONDS)
#define VERSION "1"

static char path[sizeof((struct sockaddr_un *)0)->sun_path];
static void (*give)(struct settings *settings);
static struct watch daemon_socket = {.fd = CLOSED_FD};
static struct timer again;
static bool told; // that it does not answer

static void lose(void) {
    loop_close(&daemon_socket);
    (void)timer_set(&again, loop_now() + AGAIN);
}

static void take(struct wire_reader *reader) {
    char problem[128];
    struct settings *settings = settings_of(*reader, problem, sizeof problem);
    if (settings == NULL) {
        log_line(LOG_ERR, "The daemon's settings are not understood: %s. Those from before stay.", problem);
        return;
    }
    give(settings);
}

static void hear(struct watch *watch, uint32_t events) {
    static uint8_t bytes[WIRE_MAX_BYTES];
    struct wire_reader reader;
    int fds[WIRE_MAX_FDS];
    unsigned count = 0;
    (void)events;
    ssize_t length = wire_receive(watch->fd, bytes, sizeof bytes, fds, &count);
    if (length < 0 && errno == EAGAIN)
        return;
    for (unsigned index = 0; index < count; index++)
        close_fd(fds[index]);
    if (length <= 0) {
        lose();
        return;
    }
    if (wire_open(&reader, bytes, (size_t)length) && reader.type == MSG_GW_CONFIG)
        take(&reader);
}

static int say_hello(int socket) {
    uint8_t bytes[128];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_GW_HELLO);
    wire_put_text(&writer, TAG_TEXT, VERSION);
    return wire_send(socket, bytes, wire_finish(&writer, 0), NULL, 0);
}

static void dial(struct timer *timer) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)timer;
    (void)strcpy(address.sun_path, path);
    cleanup_fd int socket_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (socket_fd >= 0 && connect(socket_fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
        say_hello(socket_fd) == 0 && loop_add(&daemon_socket, take_fd(&socket_fd), EPOLLIN)) {
        told = false;
        return;
    }
    if (!told)
        log_line(LOG_WARNING, "dockershd does not answer at %s: %s. Asking again until it does.", path,
                 strerror(errno));
    told = true;
    lose();
}

void link_open(const char *run_folder, void (*take_settings)(struct settings *settings)) {
    give = take_settings;
    daemon_socket.ready = hear;
    again.due = dial;
    (void)snprintf(path, sizeof path, "%s/gateway.sock", run_folder);
    dial(&again);
}

#include "publisher/publisher.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "cleanup.h"
#include "publisher/rights.h"
#include "wire.h"

static struct watch control;
static struct port *ports;

// `fd`: what listens; CLOSED_FD: somebody else has the port, and no program inside may have its own either.
static void add(uint32_t id, uint16_t inside, bool stream, int fd) {
    struct port *port = calloc(1, sizeof *port);
    if (port == NULL)
        _exit(1); // the supervisor starts another
    *port = (struct port){.id = id, .inside = inside, .stream = stream, .next = ports};
    port->watch.ready = stream ? streams_ready : datagrams_ready;
    ports = port;
    if (fd < 0) {
        port->watch.fd = inside_hold(inside); // never asked: what comes there is nobody's
        return;
    }
    if (!loop_add(&port->watch, fd, EPOLLIN))
        _exit(1);
    if (!stream)
        datagrams_begin(port);
}

static void leave_out(struct port *port) {
    streams_end(port);
    datagrams_end(port);
    loop_close(&port->watch);
    for (struct port **place = &ports; *place != NULL; place = &(*place)->next) {
        if (*place == port) {
            *place = port->next;
            break;
        }
    }
    loop_free_later(port);
}

static void obey(struct wire_reader *reader, int *fds, unsigned count) {
    uint32_t id = 0, inside = 0, stream = 0;
    struct wire_field field;
    while (wire_next(reader, &field)) {
        if (field.tag == TAG_SLOT)
            (void)wire_u32(&field, &id);
        else if (field.tag == TAG_CODE)
            (void)wire_u32(&field, &inside);
        else if (field.tag == TAG_KIND)
            (void)wire_u32(&field, &stream);
    }
    struct port *port = ports;
    while (port != NULL && port->id != id)
        port = port->next;
    if (reader->type == MSG_PUBLISH && port == NULL && count <= 1)
        add(id, (uint16_t)inside, stream != 0, count == 1 ? take_fd(&fds[0]) : CLOSED_FD);
    else if (reader->type == MSG_UNPUBLISH && port != NULL)
        leave_out(port);
}

static void answer(void) {
    uint8_t bytes[64];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_READY);
    if (wire_send(control.fd, bytes, wire_finish(&writer, 0), NULL, 0) != 0)
        _exit(0);
}

static void control_ready(struct watch *watch, uint32_t events) {
    static uint8_t message[512];
    int fds[WIRE_MAX_FDS];
    unsigned count = 0;
    struct wire_reader reader;
    (void)events;
    ssize_t length = wire_receive(watch->fd, message, sizeof message, fds, &count);
    if (length < 0 && errno == EAGAIN)
        return;
    if (length <= 0 || !wire_open(&reader, message, (size_t)length))
        _exit(0); // the supervisor has gone
    if (reader.type == MSG_HELLO)
        answer();
    else
        obey(&reader, fds, count);
    for (unsigned index = 0; index < count; index++)
        close_fd(fds[index]);
}

_Noreturn void publisher_run(int connection, int network, uid_t id) {
    struct err err = {0};
    (void)signal(SIGPIPE, SIG_IGN); // splice(2) can't be told to send none
    control.ready = control_ready;
    if (setns(network, CLONE_NEWNET) != 0 || loop_open(&err) != 0 ||
        !loop_add(&control, connection, EPOLLIN) || publisher_rights(id, &err) != 0)
        _exit(1);
    close_fd(network);
    for (;;)
        loop_turn();
}

#include "terminal/pump.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cleanup.h"
#include "terminal/harmless.h"
#include "terminal/viewer.h"
#include "wire.h"

#define BUFFER_BYTES (64 * 1024)
#define CHUNK_BYTES 512 // what a blocking terminal takes without making us wait for long

#define END_KEY 0x1d // Ctrl-], as telnet(1) has it

#define NOTICE_BYTES 1024 // room for a word of the supervisor's behind what is there

struct buffer {
    size_t start, end;
    char bytes[BUFFER_BYTES + NOTICE_BYTES];
};

struct session {
    int connection, signals, ptm, watched;
    bool views;       // `ptm` is a socket of a keeper's
    bool screen_over; // nothing more comes there
    struct terminal *terminal;
    bool ended; // the outcome is known; what the PTY still holds is being written out
    bool done;
    struct outcome outcome;
};

static struct buffer to_screen;
static struct buffer to_session;

static bool empty(const struct buffer *buffer) {
    return buffer->start == buffer->end;
}

static void finish(struct session *session, int kind, int code) {
    session->outcome.kind = kind;
    session->outcome.code = code;
    session->done = true;
}

// Fills an empty buffer. 1: something was read, 0: nothing there now, -1: the end of the file.
static int fill(struct buffer *buffer, int fd) {
    ssize_t got = read(fd, buffer->bytes, BUFFER_BYTES);
    if (got > 0) {
        buffer->start = 0;
        buffer->end = (size_t)got;
        return 1;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return -1; // a PTY's end of file is EIO (pty(7)); a hung-up terminal's is 0
}

static void make_harmless(struct buffer *buffer) {
    static struct harmless filter;
    static char shown[BUFFER_BYTES + HARMLESS_HELD];
    buffer->end = harmless_take(&filter, buffer->bytes, buffer->end, shown);
    memcpy(buffer->bytes, shown, buffer->end);
}

// Fills an empty buffer with everything that a non-blocking descriptor has. A PTY hands out 4 KiB at a
// time; larger pieces for the other side save it, and us, most of the wake-ups. A keeper's pieces are large,
// and would be cut where there is less room.
static int fill_whole(struct session *session, struct buffer *buffer, int fd) {
    int result = fill(buffer, fd);
    if (session->views) {
        session->screen_over |= result < 0;
        if (result > 0 && session->terminal->harmless)
            make_harmless(buffer);
        return result;
    }
    while (result > 0 && buffer->end < BUFFER_BYTES) {
        ssize_t got = read(fd, buffer->bytes + buffer->end, BUFFER_BYTES - buffer->end);
        if (got <= 0)
            break; // an end of file shows again at the next read
        buffer->end += (size_t)got;
    }
    return result;
}

// Writes what fits. False: the other side is gone.
static bool drain(struct buffer *buffer, int fd, size_t most) {
    while (!empty(buffer)) {
        size_t length = buffer->end - buffer->start;
        ssize_t put = write(fd, buffer->bytes + buffer->start, length < most ? length : most);
        if (put < 0)
            return errno == EAGAIN || errno == EINTR;
        buffer->start += (size_t)put;
        if (most < BUFFER_BYTES)
            return true; // a blocking descriptor: ask poll() again before the next piece
    }
    return true;
}

// A NUL, which no terminal shows: whoever carries it to the other end of the line finds out whether there is
// still anybody. Between what waits it might stand in the middle of a character.
static void show_nothing(void) {
    if (!empty(&to_screen))
        return;
    to_screen.start = 0;
    to_screen.end = 1;
    to_screen.bytes[0] = '\0';
}

// Between what the session writes, as write(1) does it. Where the screen takes nothing, there is nobody to
// read more.
static void show_notice(struct wire_reader *reader) {
    struct wire_field field;
    bool has_text = false;
    while (wire_next(reader, &field)) {
        has_text |= field.tag == TAG_TEXT;
        char line[NOTICE_BYTES];
        int length = field.tag != TAG_TEXT ? 0
                                           : snprintf(line, sizeof line, "\r\ndockersh: %.*s\r\n",
                                                      (int)field.length, (const char *)field.value);
        if (length <= 0 || (size_t)length >= sizeof line)
            continue;
        memmove(to_screen.bytes, to_screen.bytes + to_screen.start, to_screen.end - to_screen.start);
        to_screen.end -= to_screen.start;
        to_screen.start = 0;
        if ((size_t)length > sizeof to_screen.bytes - to_screen.end)
            return;
        memcpy(to_screen.bytes + to_screen.end, line, (size_t)length);
        to_screen.end += (size_t)length;
    }
    if (!has_text)
        show_nothing();
}

static void say_size(const struct session *session) {
    if (session->views)
        viewer_say_size(session->terminal, session->ptm);
    else
        terminal_copy_size(session->terminal, session->ptm);
}

static void read_message(struct session *session) {
    static uint8_t bytes[4096];
    int fds[WIRE_MAX_FDS];
    unsigned fd_count;
    ssize_t length = wire_receive(session->connection, bytes, sizeof bytes, fds, &fd_count);
    if (length < 0 && errno == EAGAIN)
        return;
    for (unsigned index = 0; length > 0 && index < fd_count; index++)
        close_fd(fds[index]);
    struct wire_reader reader;
    if (length <= 0 || !wire_open(&reader, bytes, (size_t)length)) {
        session->outcome.kind = OUTCOME_LOST;
        session->ended = true;
        return;
    }
    if (reader.type == MSG_NOTICE && session->ptm >= 0) {
        show_notice(&reader);
        say_size(session); // another keeper does not know it
    }
    if (reader.type != MSG_EXIT)
        return;
    session->outcome = outcome_read(&reader);
    session->ended = true;
}

// SIGHUP from the kernel, because the terminal has gone; or from somebody, for the session to hear.
static bool terminal_gone(const struct session *session) {
    struct pollfd polled = {.fd = session->terminal->input, .events = 0};
    return session->ptm >= 0 && poll(&polled, 1, 0) > 0;
}

static void read_signal(struct session *session) {
    struct signalfd_siginfo info;
    if (read(session->signals, &info, sizeof info) != sizeof info)
        return;
    int number = (int)info.ssi_signo;
    if (number == SIGWINCH || number == SIGCONT) {
        if (session->ptm < 0)
            return;
        if (number == SIGCONT && session->terminal->raw)
            terminal_raw(session->terminal);
        say_size(session);
        return;
    }
    if (number == SIGHUP && terminal_gone(session)) {
        finish(session, OUTCOME_HANGUP, SIGHUP);
        return;
    }
    uint8_t bytes[64];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_SIGNAL);
    wire_put_u32(&writer, TAG_SIGNAL, (uint32_t)number);
    (void)wire_send(session->connection, bytes, wire_finish(&writer, 0), NULL, 0);
}

static void write_screen(struct session *session) {
    struct terminal *terminal = session->terminal;
    if (terminal->output < 0) // a terminal that can only be read: there is nowhere to write to
        to_screen.start = to_screen.end;
    else if (!drain(&to_screen, terminal->output, terminal->chunked ? CHUNK_BYTES : BUFFER_BYTES))
        finish(session, OUTCOME_HANGUP, SIGHUP);
}

static void pump_terminal(struct session *session, short keys, short screen, short ptm) {
    struct terminal *terminal = session->terminal;
    if (ptm != 0 && empty(&to_screen) && fill_whole(session, &to_screen, session->ptm) > 0 &&
        !terminal->chunked)
        screen = POLLOUT; // most often there is room: try at once
    if (screen != 0)
        write_screen(session);
    if (keys != 0 && empty(&to_session) && fill(&to_session, terminal->input) < 0)
        finish(session, OUTCOME_HANGUP, SIGHUP);
    if (terminal->looks && memchr(to_session.bytes, END_KEY, to_session.end) != NULL)
        finish(session, OUTCOME_EXIT, 0);
    if (!empty(&to_session) && session->views)
        viewer_type(session->ptm, to_session.bytes, &to_session.start, to_session.end);
    else if (!empty(&to_session))
        (void)drain(&to_session, session->ptm, BUFFER_BYTES);
}

// After the session's end: everything that was written to the PTY before it is in the kernel's
// buffer, and a read that finds nothing has looked there (n_tty flushes pending work first). So the
// first empty read is the end; nothing has to be waited for but the user's own terminal. A keeper looks there
// itself, and its end follows what it has found.
static void finish_screen(struct session *session) {
    if (session->views && !session->screen_over && empty(&to_screen) &&
        fill_whole(session, &to_screen, session->ptm) == 0 && viewer_wait(session->ptm))
        return;
    if (session->ptm < 0 || (empty(&to_screen) && fill_whole(session, &to_screen, session->ptm) <= 0)) {
        session->done = true;
        return;
    }
    struct outcome outcome = session->outcome;
    write_screen(session);
    session->outcome = outcome; // a terminal that hangs up now changes nothing about the status
    if (empty(&to_screen) || session->done)
        return;
    struct pollfd polled = {.fd = session->terminal->output, .events = POLLOUT};
    (void)poll(&polled, 1, -1);
}

static void wait_and_pump(struct session *session) {
    struct terminal *terminal = session->terminal;
    bool screen_waits = session->ptm >= 0 && !empty(&to_screen);
    bool session_waits = session->ptm >= 0 && !empty(&to_session);
    bool reads_keys = session->ptm >= 0 && !session_waits && terminal->input >= 0;
    short ptm_events = (short)((screen_waits ? 0 : POLLIN) | (session_waits ? POLLOUT : 0));
    if (session->screen_over)
        ptm_events = 0; // the session's end is about to be told
    struct pollfd polled[] = {
        {.fd = session->connection, .events = POLLIN},
        {.fd = session->signals, .events = POLLIN},
        {.fd = session->watched, .events = 0},
        {.fd = reads_keys ? terminal->input : -1, .events = POLLIN},
        {.fd = screen_waits ? terminal->output : -1, .events = POLLOUT},
        {.fd = ptm_events != 0 ? session->ptm : -1, .events = ptm_events},
    };
    if (poll(polled, sizeof polled / sizeof polled[0], -1) < 0)
        return;
    if (polled[1].revents != 0)
        read_signal(session);
    if (session->ptm >= 0)
        pump_terminal(session, polled[3].revents, polled[4].revents, polled[5].revents);
    if (polled[0].revents != 0)
        read_message(session);
    if ((polled[2].revents & (POLLHUP | POLLERR)) != 0)
        finish(session, OUTCOME_HANGUP, SIGHUP);
}

struct outcome pump(int connection, int signals, int ptm, int watched, struct terminal *terminal) {
    struct session session = {
        .connection = connection, .signals = signals, .ptm = ptm, .watched = watched, .terminal = terminal};
    session.views = viewer_is_one(ptm);
    while (!session.done) {
        if (session.ended)
            finish_screen(&session);
        else
            wait_and_pump(&session);
    }
    return session.outcome;
}

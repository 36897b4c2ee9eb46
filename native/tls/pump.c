#include "pump.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PIECE 16384
#define HANDSHAKE_MS 10000
#define GOODBYE_MS 2000 // for the last bytes to leave; whoever does not read them goes without

// One direction: what has been read and not yet written.
struct way {
    unsigned char bytes[PIECE];
    size_t at, length;
    bool ended; // nothing more will be read
};

static int64_t now_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// What the client's socket has to be ready for so that the session goes on; 0: it does not.
static short wanted(const SSL *session, int result) {
    switch (SSL_get_error(session, result)) {
    case SSL_ERROR_WANT_READ:
        return POLLIN;
    case SSL_ERROR_WANT_WRITE:
        return POLLOUT;
    default:
        return 0;
    }
}

bool pump_handshake(SSL *session, int client, int plain) {
    int64_t until = now_ms() + HANDSHAKE_MS;
    for (;;) {
        int result = SSL_accept(session);
        if (result == 1)
            return true;
        struct pollfd polled[] = {{.fd = client, .events = wanted(session, result)}, {.fd = plain}};
        int64_t left = until - now_ms();
        if (polled[0].events == 0 || left <= 0 || (poll(polled, 2, (int)left) < 0 && errno != EINTR) ||
            (polled[1].revents & (POLLHUP | POLLERR)) != 0)
            return false;
    }
}

// ---- one direction each --------------------------------------------------------------------------------

static bool again(void) {
    return errno == EAGAIN || errno == EINTR;
}

// From the client. `events`: what its socket is to be waited for.
static void take(SSL *session, struct way *in, short *events) {
    if (in->length > 0 || in->ended)
        return;
    int count = SSL_read(session, in->bytes, sizeof in->bytes);
    short wants = count > 0 ? 0 : wanted(session, count);
    in->at = 0;
    in->length = count > 0 ? (size_t)count : 0;
    in->ended = count <= 0 && wants == 0;
    *events |= wants;
}

// To the other side, which may not take it now. False: it has gone.
static bool hand_over(struct way *in, int plain, short *events) {
    while (in->length > 0) {
        ssize_t count = write(plain, in->bytes + in->at, in->length);
        if (count < 0 && !again())
            return false;
        if (count < 0) {
            *events |= POLLOUT;
            return true;
        }
        in->at += (size_t)count;
        in->length -= (size_t)count;
    }
    return true;
}

static void fetch(struct way *out, int plain, short *events) {
    if (out->length > 0 || out->ended)
        return;
    ssize_t count = read(plain, out->bytes, sizeof out->bytes);
    out->at = 0;
    out->length = count > 0 ? (size_t)count : 0;
    if (count < 0 && again())
        *events |= POLLIN;
    else
        out->ended = count <= 0;
}

// To the client. False: it has gone.
static bool give(SSL *session, struct way *out, short *events) {
    if (out->length == 0)
        return true;
    // The same bytes again where it has not taken them: its length does not change meanwhile.
    int count = SSL_write(session, out->bytes + out->at, (int)out->length);
    short wants = count > 0 ? 0 : wanted(session, count);
    *events |= wants;
    if (count <= 0)
        return wants != 0;
    out->at += (size_t)count;
    out->length -= (size_t)count;
    return true;
}

// ---- both ----------------------------------------------------------------------------------------------

static void say_goodbye(SSL *session, int client) {
    int64_t until = now_ms() + GOODBYE_MS;
    for (;;) {
        int result = SSL_shutdown(session);
        struct pollfd polled = {.fd = client, .events = result >= 0 ? 0 : wanted(session, result)};
        int64_t left = until - now_ms();
        // Its own goodbye is not waited for.
        if (polled.events != POLLOUT || left <= 0 || (poll(&polled, 1, (int)left) < 0 && errno != EINTR))
            break;
    }
    (void)shutdown(client, SHUT_WR);
}

void pump_run(SSL *session, int client, int plain) {
    static struct way in, out;
    bool told = false; // the other side, that nothing more comes
    for (;;) {
        struct pollfd polled[2] = {{.fd = client}, {.fd = plain}};
        take(session, &in, &polled[0].events);
        if (!hand_over(&in, plain, &polled[1].events))
            return;
        if (in.ended && in.length == 0 && !told) {
            (void)shutdown(plain, SHUT_WR);
            told = true;
        }
        fetch(&out, plain, &polled[1].events);
        if (!give(session, &out, &polled[0].events))
            return;
        if (out.ended && out.length == 0) {
            say_goodbye(session, client);
            return;
        }
        bool busy = (in.length == 0 && !in.ended && polled[0].events == 0) ||
                    (out.length == 0 && polled[1].events == 0);
        // One that nothing is wanted of is not looked at: its end would be told without end.
        for (int side = 0; side < 2; side++)
            if (polled[side].events == 0)
                polled[side].fd = -1;
        if (!busy && poll(polled, 2, -1) < 0 && errno != EINTR)
            return;
    }
}

#include "answer/refusal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "leave.h"

_Noreturn void report_refusal(struct wire_reader *reader) {
    struct wire_field field;
    char text[1024] = "";
    int code = EXIT_OURS;
    while (wire_next(reader, &field)) {
        uint32_t number;
        if (field.tag == TAG_TEXT && field.length < sizeof text) {
            memcpy(text, field.value, field.length);
            text[field.length] = '\0';
        } else if (field.tag == TAG_CODE && wire_u32(&field, &number)) {
            code = (int)(number & 0xff);
        }
    }
    if (text[0] != '\0')
        say(text);
    _exit(code);
}

// Whoever reads may be slow, or have given us a descriptor that does not wait.
static bool write_all(const uint8_t *bytes, size_t length) {
    while (length > 0) {
        ssize_t written = write(1, bytes, length);
        if (written > 0) {
            bytes += written;
            length -= (size_t)written;
        } else if (written < 0 && errno == EAGAIN) {
            struct pollfd polled = {.fd = 1, .events = POLLOUT};
            (void)poll(&polled, 1, -1);
        } else if (written == 0 || errno != EINTR) {
            return false;
        }
    }
    return true;
}

_Noreturn void report_answer(struct wire_reader *reader) {
    struct wire_field field;
    bool whole = true;
    int code = EXIT_OURS;
    while (wire_next(reader, &field)) {
        uint32_t number;
        if (field.tag == TAG_TEXT)
            whole = write_all(field.value, field.length) && whole;
        else if (field.tag == TAG_CODE && wire_u32(&field, &number))
            code = (int)(number & 0xff);
    }
    _exit(whole ? code : EXIT_OURS);
}

// In the daemon's words; empty: nothing is.
static char under_way[256];

bool under_way_note(struct wire_reader *reader) {
    struct wire_field field;
    while (wire_next(reader, &field)) {
        if (field.tag != TAG_TEXT || field.length >= sizeof under_way)
            continue;
        memcpy(under_way, field.value, field.length);
        under_way[field.length] = '\0';
    }
    return true;
}

_Noreturn void under_way_leave(int number) {
    if (under_way[0] != '\0')
        say(under_way);
    leave(&(struct outcome){.kind = OUTCOME_SIGNAL, .code = number});
}

bool under_way_lost(void) {
    if (under_way[0] != '\0')
        fail("The login service has ended while it was at that: it may be done, or not.");
    return true;
}

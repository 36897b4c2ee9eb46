#include "inside/forward/report.h"

#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "wire.h"

// So many at once, and so many a second.
#define MOST_AT_ONCE 256u
#define A_SECOND 32u
// What may wait for the supervisor. The socket must never be full: the kernel would tell us when it is not
// any more, and what it tells us is the end of the sandbox (place.c).
#define MOST_WAITING 16384

static uint32_t room = MOST_AT_ONCE, untold;
static time_t filled_s;

// As much of it as there is room for.
static void copy(char *to, size_t size, const char *text) {
    size_t length = strnlen(text, size - 1);
    memcpy(to, text, length);
    to[length] = '\0';
}

struct report report_of(const struct request *request) {
    struct report report = {.listens = request->type == MSG_GW_LISTEN, .port = request->code};
    copy(report.kind, sizeof report.kind, request->kind);
    if ((request->has & HAS_NAME) != 0)
        copy(report.name, sizeof report.name, request->name);
    return report;
}

static bool has_room(int supervisor) {
    struct timespec now;
    int waiting = 0;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t more = (uint64_t)(now.tv_sec - filled_s) * A_SECOND;
    room = more < MOST_AT_ONCE - room ? room + (uint32_t)more : MOST_AT_ONCE;
    filled_s = now.tv_sec;
    return room > 0 && ioctl(supervisor, SIOCOUTQ, &waiting) == 0 && waiting < MOST_WAITING;
}

static void send_count(int supervisor, const struct report *report, uint32_t code, uint32_t count) {
    uint8_t bytes[1024];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_FORWARD);
    if (report != NULL) {
        wire_put_text(&writer, TAG_KIND, report->kind);
        wire_put_text(&writer, TAG_NAME, report->name);
        wire_put_u32(&writer, TAG_GW_PORT, report->port);
        wire_put_u32(&writer, TAG_FORWARD_LISTENS, report->listens ? 1 : 0);
        wire_put_u32(&writer, TAG_CODE, code);
    }
    wire_put_u32(&writer, TAG_COUNT, count);
    (void)wire_send(supervisor, bytes, wire_finish(&writer, 0), NULL, 0);
}

void report_rest(int supervisor) {
    if (untold == 0 || !has_room(supervisor))
        return;
    send_count(supervisor, NULL, 0, untold);
    room--;
    untold = 0;
}

void report_tell(int supervisor, const struct report *report, uint32_t code) {
    report_rest(supervisor);
    if (untold > 0 || !has_room(supervisor)) {
        untold++;
        return;
    }
    send_count(supervisor, report, code, 1);
    room--;
}

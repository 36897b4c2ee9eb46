#include "session/time.h"

#include <stdbool.h>
#include <sys/stat.h>

#define MS 1000000u
#define SHORTEST_LOOK_NS (1000u * (uint64_t)MS)
#define LONGEST_LOOK_NS (60000u * (uint64_t)MS)

void session_time_begin(struct session *session, struct wire_reader reader) {
    struct wire_field field;
    uint64_t now = monotonic_ns(), ms;
    session->ends_at_ns = session->look_at_ns = NEVER;
    while (wire_next(&reader, &field)) {
        if (field.tag == TAG_SESSION_MS && wire_u64(&field, &ms))
            session->ends_at_ns = now + ms * MS;
        if (field.tag == TAG_IDLE_MS && wire_u64(&field, &ms)) {
            session->idle_ns = ms * MS;
            session->active_at_ns = session->look_at_ns = now;
        }
    }
}

uint64_t session_time_next(const struct session *session) {
    if (session->ended || session->hung_up)
        return NEVER;
    return session->ends_at_ns < session->look_at_ns ? session->ends_at_ns : session->look_at_ns;
}

// The kernel notes when a terminal was last read from and written to, to 8 seconds (tty_io.c). Only that
// the times change counts: a clock that is set makes nobody idle.
static bool stirred(struct session *session) {
    struct stat info;
    if (session->pts < 0 || fstat(session->pts, &info) != 0)
        return true; // no terminal that could be still
    bool changed = info.st_atim.tv_sec != session->read_at || info.st_mtim.tv_sec != session->written_at;
    session->read_at = info.st_atim.tv_sec;
    session->written_at = info.st_mtim.tv_sec;
    return changed;
}

static bool is_idle(struct session *session, uint64_t now) {
    if (session->look_at_ns > now)
        return false;
    if (session->taken && session->pts < 0) {
        session->look_at_ns = NEVER;
        return false;
    }
    if (stirred(session))
        session->active_at_ns = now;
    if (now - session->active_at_ns >= session->idle_ns)
        return true;
    uint64_t pause = session->idle_ns / 8;
    pause = pause < SHORTEST_LOOK_NS ? SHORTEST_LOOK_NS : pause > LONGEST_LOOK_NS ? LONGEST_LOOK_NS : pause;
    session->look_at_ns = now + pause;
    return false;
}

const char *session_time_over(struct session *session, uint64_t now) {
    if (session_time_next(session) > now)
        return NULL;
    if (session->ends_at_ns <= now)
        return "Your session has lasted as long as it may. It ends now.";
    return is_idle(session, now) ? "Your terminal has been still for as long as it may. The session ends now."
                                 : NULL;
}

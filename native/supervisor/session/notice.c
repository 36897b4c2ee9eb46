#include "session/notice.h"

#include <linux/sockios.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "cgroup/memory.h"
#include "client.h"

#define OUT_OF_MEMORY "Your sandbox ran out of memory: the kernel has killed processes in it."

#define MOST_UNREAD_BYTES (64 * 1024)

// Not before its process has told the client that the session has begun: a client that hears something else
// first takes it for a refusal.
static bool has_begun(const struct supervisor *supervisor, const struct session *session) {
    return session->used && !session->ended && session->connection >= 0 &&
           (session->seen != NULL ||
            (session->target[0] == '\0' &&
             supervisor->shared->slots[session - supervisor->sessions].exec_ns != 0));
}

static uint64_t told_ns;

uint64_t notice_told_ns(void) {
    return told_ns;
}

void notice_told(void) {
    told_ns = monotonic_ns();
}

void notice_exit(const struct session *session, uint32_t kind, uint32_t code, const char *text) {
    if (session->connection < 0)
        return;
    uint8_t bytes[1024];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_EXIT);
    wire_put_u32(&writer, TAG_KIND, kind);
    wire_put_u32(&writer, TAG_CODE, code);
    if (text[0] != '\0')
        wire_put_text(&writer, TAG_TEXT, text);
    client_tell(session->connection, bytes, wire_finish(&writer, 0));
    told_ns = monotonic_ns();
}

bool notice_has_room(const struct session *session) {
    int unread = 0;
    return session->connection >= 0 && ioctl(session->connection, SIOCOUTQ, &unread) == 0 &&
           unread < MOST_UNREAD_BYTES;
}

static bool hears(const struct supervisor *supervisor, const struct session *session) {
    return has_begun(supervisor, session) && (session->pts >= 0 || session->seen != NULL) &&
           notice_has_room(session);
}

static size_t notice_of(uint8_t *bytes, size_t size, const char *text) {
    struct wire_writer writer;
    wire_start(&writer, bytes, size, MSG_NOTICE);
    wire_put_text(&writer, TAG_TEXT, text);
    return wire_finish(&writer, 0);
}

static void say(struct supervisor *supervisor, const char *text, bool ends) {
    uint8_t bytes[1024];
    size_t length = notice_of(bytes, sizeof bytes, text);
    for (size_t index = 0; index < supervisor->reached && length > 0; index++) {
        struct session *session = &supervisor->sessions[index];
        if (!hears(supervisor, session))
            continue;
        client_tell(session->connection, bytes, length);
        session->told |= ends;
    }
}

void notice_one(const struct supervisor *supervisor, const struct session *session, const char *text) {
    uint8_t bytes[1024];
    size_t length = notice_of(bytes, sizeof bytes, text);
    for (size_t index = 0; index < supervisor->reached && length > 0; index++) {
        const struct session *one = &supervisor->sessions[index];
        if ((one == session || one->seen == session) && hears(supervisor, one))
            client_tell(one->connection, bytes, length);
    }
}

void notice_say(struct supervisor *supervisor, const char *text) {
    say(supervisor, text, false);
}

void notice_end(struct supervisor *supervisor) {
    if (supervisor->why[0] != '\0')
        say(supervisor, supervisor->why, true);
}

enum cause notice_cause(struct supervisor *supervisor, const struct session *session, uint32_t kind,
                        uint32_t code) {
    if (session->cause != CAUSE_NONE)
        return session->cause;
    if (supervisor->state == STATE_STOPPING)
        return supervisor->cause;
    if (kind == 1 && code == SIGKILL && memory_ran_out(&supervisor->cgroups, &supervisor->oom_kills))
        return CAUSE_OUT_OF_MEMORY;
    return kind == 1 ? CAUSE_SIGNAL : CAUSE_EXIT;
}

const char *notice_of_end(const struct supervisor *supervisor, const struct session *session,
                          enum cause cause) {
    if (session->told)
        return "";
    if (supervisor->state == STATE_STOPPING && supervisor->why[0] != '\0')
        return supervisor->why;
    return cause == CAUSE_OUT_OF_MEMORY ? OUT_OF_MEMORY : "";
}

void notice_last(struct supervisor *supervisor) {
    if (supervisor->why[0] == '\0' && memory_ran_out(&supervisor->cgroups, &supervisor->oom_kills)) {
        (void)strcpy(supervisor->why, OUT_OF_MEMORY);
        supervisor->cause = CAUSE_OUT_OF_MEMORY;
    }
    if (supervisor->cause == CAUSE_NONE)
        supervisor->cause = CAUSE_INIT_ENDED;
    for (size_t index = 0; index < supervisor->reached && supervisor->why[0] != '\0'; index++) {
        struct session *session = &supervisor->sessions[index];
        if (has_begun(supervisor, session))
            notice_exit(session, 0, 125, session->told ? "" : supervisor->why);
    }
}

void notice_of_failure(const struct session *session, enum failure failure, const char *detail, char *text,
                       size_t size) {
    const char *words = "Your program could not be started: ";
    const char *end = ".";
    if (failure == FAILURE_PROCESSES)
        words = "Your sandbox has as many processes as it may. End some of them, or ask the administrator of "
                "this host to stop the sandbox.";
    else if (failure == FAILURE_UNRECORDED)
        words =
            "This host records sessions at a terminal, and at present there is no room for a recording. Try "
            "again later, or tell the administrator of this host.";
    if (failure == FAILURE_PROCESSES || failure == FAILURE_UNRECORDED)
        detail = end = "";
    (void)snprintf(text, size, "%s%s%s [session %s]", words, detail, end, session->id);
}

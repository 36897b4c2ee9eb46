#include "inside/answer.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "wire.h"

static int answer(int connection, enum wire_type type, uint32_t slot, int code, const char *text,
                  const int *fds, unsigned count) {
    uint8_t bytes[2048];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, type);
    wire_put_u32(&writer, TAG_SLOT, slot);
    wire_put_u32(&writer, TAG_CODE, (uint32_t)code);
    if (text != NULL)
        wire_put_text(&writer, TAG_TEXT, text);
    return wire_send(connection, bytes, wire_finish(&writer, count), fds, count);
}

int answer_started(int connection, uint32_t slot, int code, const char *text, const int *fds,
                   unsigned count) {
    return answer(connection, MSG_GW_STARTED, slot, code, text, fds, count);
}

int answer_opened(int connection, uint32_t slot, int code, const char *text) {
    return answer(connection, MSG_GW_OPENED, slot, code, text, NULL, 0);
}

// Of those that RFC 4254, section 6.10, knows; others have no name there.
static const char *name_of(int signal) {
    static const struct {
        int number;
        const char *name;
    } names[] = {
        {SIGABRT, "ABRT"}, {SIGALRM, "ALRM"}, {SIGFPE, "FPE"},   {SIGHUP, "HUP"},   {SIGILL, "ILL"},
        {SIGINT, "INT"},   {SIGKILL, "KILL"}, {SIGPIPE, "PIPE"}, {SIGQUIT, "QUIT"}, {SIGSEGV, "SEGV"},
        {SIGTERM, "TERM"}, {SIGUSR1, "USR1"}, {SIGUSR2, "USR2"},
    };
    for (size_t index = 0; index < sizeof names / sizeof names[0]; index++)
        if (names[index].number == signal)
            return names[index].name;
    return "SIG@openssh.com";
}

int answer_ended(int connection, uint32_t slot, int status) {
    uint8_t bytes[256];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_GW_ENDED);
    wire_put_u32(&writer, TAG_SLOT, slot);
    if (WIFSIGNALED(status)) {
        wire_put_text(&writer, TAG_KIND, "signal");
        wire_put_u32(&writer, TAG_CODE, (uint32_t)WTERMSIG(status));
        wire_put_text(&writer, TAG_NAME, name_of(WTERMSIG(status)));
        wire_put_u32(&writer, TAG_GW_CORE, WCOREDUMP(status) ? 1 : 0);
    } else {
        wire_put_text(&writer, TAG_KIND, "exit");
        wire_put_u32(&writer, TAG_CODE, (uint32_t)WEXITSTATUS(status));
    }
    return wire_send(connection, bytes, wire_finish(&writer, 0), NULL, 0);
}

#include "leave.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

struct outcome outcome_read(struct wire_reader *reader) {
    struct outcome outcome = {.kind = OUTCOME_EXIT};
    uint32_t kind = 0, code = 0;
    struct wire_field field;
    while (wire_next(reader, &field)) {
        if (field.tag == TAG_KIND)
            (void)wire_u32(&field, &kind);
        else if (field.tag == TAG_CODE)
            (void)wire_u32(&field, &code);
        else if (field.tag == TAG_TEXT && field.length < sizeof outcome.text)
            memcpy(outcome.text, field.value, field.length);
    }
    outcome.kind = kind == 1 ? OUTCOME_SIGNAL : OUTCOME_EXIT;
    outcome.code = (int)code;
    return outcome;
}

void say(const char *text) {
    char line[1200];
    int length = snprintf(line, sizeof line, "dockersh: %s\n", text);
    if (length > 0)
        (void)!write(2, line, (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
}

_Noreturn void fail(const char *text) {
    say(text);
    _exit(EXIT_OURS);
}

_Noreturn void leave(const struct outcome *outcome) {
    if (outcome->text[0] != '\0')
        say(outcome->text);
    if (outcome->kind == OUTCOME_EXIT)
        _exit(outcome->code & 0xff);
    if (outcome->kind == OUTCOME_LOST)
        fail("The sandbox ended while the session was running.");
    // Die of the same signal, without a core file: sshd and su then report it as they would have.
    struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0);
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, outcome->code);
    (void)signal(outcome->code, SIG_DFL);
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
    (void)raise(outcome->code);
    _exit(128 + outcome->code);
}

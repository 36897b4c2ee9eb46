#include "kept/child.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "session/agent.h"

#define EXIT_OURS 125

bool kept_child_read(struct child_ends *ends, const struct wire_field *field) {
    uint32_t keeper = 0;
    uint64_t record[RECORD_NUMBERS];
    if (field->tag == TAG_KEEPER && wire_u32(field, &keeper))
        ends->keeper = keeper == 1;
    if (field->tag == TAG_RECORD && field->length == sizeof record) {
        memcpy(record, field->value, sizeof record);
        ends->unrecorded = (record[RECORD_FLAGS] & RECORD_REFUSES) != 0 && record[RECORD_BYTES] == 0;
    }
    if (field->tag == TAG_TARGET)
        ends->looks = ends->offer == NULL;
    if (field->tag == TAG_OFFER) {
        ends->looks = false; // or it is one of its own
        ends->offer = wire_text(field);
        return ends->offer != NULL;
    }
    return true;
}

_Noreturn void kept_child_look(const struct child_ends *ends, struct slot *slot) {
    bool has_terminal = false;
    if (streams_drop(ends, &has_terminal, &slot->err) != 0) {
        if (slot->err.code == FAILURE_NONE)
            (void)raise(SIGHUP); // the client has gone
        _exit(EXIT_OURS);
    }
    if (has_terminal)
        (void)agent_follow(ends->environment); // the session's, from now on
    _exit(has_terminal ? 0 : LOOK_HAS_NO_TERMINAL);
}

void kept_child_terminal(const struct child_ends *ends, struct slot *slot) {
    if (!ends->unrecorded)
        return;
    (void)err_plain(&slot->err, FAILURE_UNRECORDED, "no room for a recording", NULL);
    _exit(EXIT_OURS);
}

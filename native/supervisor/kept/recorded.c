// Lets keepers record their sessions, and acts on what they report of it.
#include <signal.h>
#include <string.h>

#include "cleanup.h"
#include "control/tell.h"
#include "kept/kept.h"
#include "session/notice.h"
#include "session/session.h"

#define NO_ROOM "This session is not recorded any more: there is no room for it."
#define WAITS "There is no room to record this session: it stands still until there is."
#define GOES_ON "There is room again, and this session goes on."
#define ENDS "This session can't be recorded any more: it ends."

static void copy_text(char *to, size_t size, const struct wire_field *field) {
    size_t length = field->length < size ? field->length : size - 1;
    memcpy(to, field->value, length);
    to[length] = '\0';
}

void kept_record_begin(struct kept *kept, struct wire_reader reader, int *file) {
    struct wire_field field;
    uint64_t numbers[RECORD_NUMBERS] = {0};
    struct record_settings *record = &kept->record;
    record->file = record->terminal = CLOSED_FD;
    while (wire_next(&reader, &field)) {
        if (field.tag == TAG_RECORD && field.length == sizeof numbers)
            memcpy(numbers, field.value, sizeof numbers);
        if (field.tag == TAG_RECORD_TITLE)
            copy_text(record->title, sizeof record->title, &field);
        if (field.tag == TAG_RECORD_TERM)
            copy_text(record->term, sizeof record->term, &field);
    }
    record->version = numbers[RECORD_VERSION] == CAST_3 ? CAST_3 : CAST_2;
    record->input = (numbers[RECORD_FLAGS] & RECORD_INPUT) != 0;
    kept->record_refuses = (numbers[RECORD_FLAGS] & RECORD_REFUSES) != 0;
    record->most_bytes = numbers[RECORD_BYTES];
    record->started_unix_s = numbers[RECORD_STARTED];
    record->started_ns = monotonic_ns();
    kept->records = numbers[RECORD_VERSION] != 0 && file != NULL;
    if (kept->records)
        record->file = take_fd(file);
}

// ---- what keepers say ------------------------------------------------------------------------------------

static void tell_daemon_of(const struct supervisor *supervisor, const struct session *session,
                           uint32_t word) {
    uint8_t bytes[128];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_RECORDING);
    wire_put_text(&writer, TAG_ID, session->id);
    wire_put_u32(&writer, TAG_KIND, word);
    (void)tell_daemon(supervisor, &writer, CLOSED_FD);
}

static void unrecorded(struct supervisor *supervisor, struct session *session) {
    session->kept->records = false; // by no later keeper either
    if (!session->kept->record_refuses) {
        notice_one(supervisor, session, NO_ROOM);
        return;
    }
    kept_dismiss(supervisor, session, 1, SIGHUP, CAUSE_RECORDING, ENDS);
    notice_exit(session, 1, SIGHUP, ENDS);
    session_end_kept(supervisor, session, CAUSE_RECORDING);
}

void kept_record_heard(struct supervisor *supervisor, struct kept *kept, struct wire_reader reader) {
    struct session *session = NULL;
    struct wire_field field;
    uint32_t word = 0;
    for (size_t index = 0; index < supervisor->reached; index++)
        if (supervisor->sessions[index].kept == kept)
            session = &supervisor->sessions[index];
    if (session == NULL)
        return; // it has ended
    while (wire_next(&reader, &field)) {
        if (field.tag == TAG_KIND)
            (void)wire_u32(&field, &word);
    }
    kept->record_waits = word == RECORDING_WAITS;
    tell_daemon_of(supervisor, session, word);
    if (word == RECORDING_WAITS)
        notice_one(supervisor, session, WAITS);
    else if (word == RECORDING_GOES_ON)
        notice_one(supervisor, session, GOES_ON);
    else if (word == RECORDING_ENDS)
        unrecorded(supervisor, session);
}

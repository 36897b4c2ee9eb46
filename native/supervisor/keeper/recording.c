// Records what the keeper shows, and says where it can't.
#include "keeper/keeper.h"
#include "keeper/record/record.h"
#include "keeper/viewers.h"
#include "wire.h"

static struct record *record; // NULL: nothing is recorded
static bool refuses, records_input, was_secret, waits;
static bool is_stopped; // nothing more is shown: the supervisor ends the session

static void tell(enum recording_word word) {
    uint8_t bytes[64];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_KEEPER_RECORDING);
    wire_put_u32(&writer, TAG_KIND, (uint32_t)word);
    (void)wire_send(keeper.control, bytes, wire_finish(&writer, 0), NULL, 0);
}

bool recording_begin(const struct keeper_begin *begin) {
    struct winsize size = input_size();
    if (begin->record == NULL)
        return true;
    refuses = begin->record_refuses;
    records_input = begin->record->input;
    record = record_begin(begin->record, size.ws_col, size.ws_row);
    return record != NULL;
}

bool recording_takes(void) {
    return !waits && !is_stopped;
}

// What has become of the recording by what was written last.
static void look(void) {
    enum record_state state = record == NULL ? RECORD_GOES_ON : record_state(record);
    if (state == RECORD_GOES_ON) {
        if (waits)
            tell(RECORDING_GOES_ON);
        waits = false;
        return;
    }
    if (state == RECORD_FULL && refuses) {
        if (!waits)
            tell(RECORDING_WAITS);
        waits = true;
        return;
    }
    record_end(record, -1, keeper_now_ns());
    record = NULL;
    waits = false;
    is_stopped = refuses;
    tell(RECORDING_ENDS);
}

void recording_output(const char *bytes, size_t length) {
    if (record == NULL || length == 0)
        return;
    record_output(record, (const uint8_t *)bytes, length, keeper_now_ns());
    look();
}

void recording_look(void) {
    was_secret = record == NULL || !records_input || record_is_secret(record);
}

void recording_input(const uint8_t *bytes, size_t length) {
    if (record == NULL || !records_input)
        return;
    record_input(record, bytes, length, was_secret, keeper_now_ns());
    look();
}

void recording_resize(const struct winsize *size) {
    if (record != NULL)
        record_resize(record, size->ws_col, size->ws_row, keeper_now_ns());
}

uint64_t recording_next_ns(void) {
    return record != NULL && record_waits(record) ? record_due_ns(record) : NEVER;
}

void recording_go_on(void) {
    if (record == NULL || !record_waits(record))
        return;
    record_tick(record, keeper_now_ns());
    look();
}

void recording_end(void) {
    if (record != NULL)
        record_end(record, -1, keeper_now_ns());
    record = NULL;
}

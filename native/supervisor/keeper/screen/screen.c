#include "keeper/screen/screen.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "keeper/screen/answer.h"
#include "keeper/screen/log.h"
#include "keeper/viewers.h"
#include "wire.h"

// From asking for a screen to its last answer.
#define PATIENCE_NS 5000000000u
// Between two of them where nobody waits; and after one that failed.
#define PAUSE_NS 5000000000u

struct bytes {
    uint8_t *at;
    size_t length, done;
};

static struct log shown = {.last = SIZE_MAX};
static struct bytes checkpoint; // empty: the terminal had shown nothing

// What goes on with a screen. Steps follow each other; the terminal is not read from ASKS on.
static enum { IDLE, WAITS, TELLS, ASKS, HEARS } step;
static int screen = CLOSED_FD;
static uint64_t give_up_at_ns = NEVER, rest_until_ns;
static struct bytes telling; // a frame, or a part of one, that is on its way
static bool told_checkpoint;
static size_t told;            // of `shown`
static size_t asked, answered; // of the requests below
static struct viewer *askers[KEEPER_VIEWERS + 1];
static size_t asker_count; // and then a checkpoint
static struct answer answer;

void screen_begin(bool in_doubt) {
    shown.in_doubt = in_doubt;
}

void screen_size(const struct winsize *size) {
    log_size(&shown, size);
}

bool screen_holds(void) {
    return step == ASKS || step == HEARS || (step == TELLS && log_is_full(&shown));
}

static void forget(struct bytes *bytes) {
    free(bytes->at);
    *bytes = (struct bytes){0};
}

// ---- the end of it -------------------------------------------------------------------------------------

static void rest(uint64_t pause_ns) {
    close_fd_at(&screen);
    shown.is_told = false;
    forget(&telling);
    answer_forget(&answer);
    step = IDLE;
    give_up_at_ns = NEVER;
    rest_until_ns = keeper_now_ns() + pause_ns;
}

// Without a screen the programs show themselves, and what was known counts no more.
static void fail(void) {
    for (size_t index = 0; index < KEEPER_VIEWERS; index++)
        keeper.viewers[index].anew = false;
    bool was_known = step > WAITS;
    rest(PAUSE_NS);
    if (was_known) {
        forget(&checkpoint);
        log_clear(&shown);
        shown.in_doubt = true;
        input_log_size();
    }
    input_redraw();
}

static void finish(void) {
    bool in_doubt = shown.in_doubt && asker_count > 0;
    forget(&checkpoint);
    checkpoint = (struct bytes){.at = answer.bytes, .length = answer.length};
    answer.bytes = NULL;
    log_drop(&shown, told);
    rest(PAUSE_NS);
    if (in_doubt) {
        shown.in_doubt = false;
        input_redraw();
    }
    screen_want();
}

// ---- asking for one ------------------------------------------------------------------------------------

static bool somebody_waits(void) {
    for (size_t index = 0; index < KEEPER_VIEWERS; index++)
        if (keeper.viewers[index].socket >= 0 && keeper.viewers[index].anew)
            return true; // and has said how large its window is
    return false;
}

static void ask_supervisor(void) {
    uint8_t bytes[WIRE_HEADER_BYTES];
    struct wire_writer writer;
    wire_start(&writer, bytes, sizeof bytes, MSG_KEEPER_WANTS_SCREEN);
    step = WAITS;
    give_up_at_ns = keeper_now_ns() + PATIENCE_NS;
    if (wire_send(keeper.control, bytes, wire_finish(&writer, 0), NULL, 0) != 0)
        fail();
}

void screen_want(void) {
    if (step == IDLE && somebody_waits())
        ask_supervisor();
}

void screen_output(const char *bytes, size_t length) {
    uint64_t now = keeper_now_ns();
    log_output(&shown, bytes, length);
    if (log_is_due(&shown, length, now) && step == IDLE && now >= rest_until_ns)
        ask_supervisor();
}

void screen_given(int socket) {
    if (step != WAITS || socket < 0) {
        close_fd(socket);
        if (step == WAITS)
            fail();
        return;
    }
    screen = socket;
    step = TELLS;
    shown.is_told = true;
    told_checkpoint = false;
    told = asked = answered = asker_count = 0;
}

// ---- telling -------------------------------------------------------------------------------------------

// What there is of it. -1: the screen is gone.
static int send_some(const uint8_t *bytes, size_t length, size_t *done) {
    while (*done < length) {
        ssize_t sent = send(screen, bytes + *done, length - *done, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return errno == EAGAIN ? 0 : -1;
        *done += (size_t)sent;
    }
    return 1;
}

static bool begin_frame(char type, const uint8_t *payload, uint32_t length) {
    telling = (struct bytes){.at = malloc(LOG_FRAME_HEADER + length), .length = LOG_FRAME_HEADER + length};
    if (telling.at == NULL)
        return false;
    telling.at[0] = (uint8_t)type;
    memcpy(telling.at + 1, &length, sizeof length);
    if (length > 0)
        memcpy(telling.at + LOG_FRAME_HEADER, payload, length);
    return true;
}

static bool begin_request(void) {
    if (asked == asker_count)
        return begin_frame('c', NULL, 0);
    const struct viewer *viewer = askers[asked];
    uint8_t payload[5];
    memcpy(payload, &viewer->window.ws_col, 2);
    memcpy(payload + 2, &viewer->window.ws_row, 2);
    payload[4] = viewer->has_seen ? 1 : 0;
    return begin_frame('s', payload, sizeof payload);
}

static void choose_askers(void) {
    asker_count = 0;
    for (size_t index = 0; index < KEEPER_VIEWERS; index++) {
        struct viewer *viewer = &keeper.viewers[index];
        if (viewer->socket >= 0 && viewer->anew)
            askers[asker_count++] = viewer;
    }
}

// The log is told as it stands, and what is added meanwhile; its frames are whole by the time that nothing is
// added.
static int tell_log(void) {
    int sent = send_some(shown.bytes, shown.length, &told);
    if (sent == 1) {
        step = ASKS;
        choose_askers();
    }
    return sent;
}

static int tell(void) {
    for (;;) {
        if (telling.at != NULL) {
            int sent = send_some(telling.at, telling.length, &telling.done);
            if (sent <= 0)
                return sent;
            forget(&telling);
            if (step == TELLS)
                told_checkpoint = true;
            else if (asked++ == asker_count)
                step = HEARS;
        }
        if (step == TELLS && !told_checkpoint) {
            if (!begin_frame('k', checkpoint.at, (uint32_t)checkpoint.length))
                return -1;
        } else if (step == TELLS) {
            int sent = tell_log();
            if (sent <= 0)
                return sent;
        } else if (step == HEARS || !begin_request()) {
            return step == HEARS ? 1 : -1;
        }
    }
}

// ---- hearing -------------------------------------------------------------------------------------------

// False: it says what it should not.
static bool take_answer(void) {
    if (answer.type == 'A')
        return true;
    if (answer.type == 'S' && answered < asker_count) {
        struct viewer *viewer = askers[answered++];
        if (viewer->socket >= 0 && viewer->anew) {
            viewer->anew = false;
            viewer->redraw = answer.bytes;
            viewer->redraw_length = answer.length;
            viewer->redraw_done = 0;
            answer.bytes = NULL;
        }
        return true;
    }
    return answer.type == 'C' && answered == asker_count;
}

// 1: the last answer is there; 0: more is to come; -1: it is gone, or says what it should not.
static int hear(void) {
    int got;
    while ((got = answer_read(&answer, screen)) > 0) {
        if (!take_answer())
            return -1;
        if (answer.type == 'C')
            return 1;
        answer_forget(&answer);
    }
    return got;
}

// ---- the loop's ----------------------------------------------------------------------------------------

int screen_poll(short *events) {
    *events = (short)(POLLIN | (step == TELLS || step == ASKS ? POLLOUT : 0));
    return screen;
}

void screen_go_on(short events) {
    if (screen < 0 || events == 0)
        return;
    if (tell() < 0) {
        fail();
        return;
    }
    int heard = hear();
    if (heard < 0)
        fail();
    else if (heard > 0)
        finish();
}

uint64_t screen_next_ns(void) {
    return give_up_at_ns;
}

void screen_due(uint64_t now) {
    if (give_up_at_ns <= now)
        fail();
}

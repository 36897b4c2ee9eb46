// Tests of recordings: every byte that a terminal can show, cut anywhere, is text of JSON that says the same;
// what has been flushed can be read though the rest is missing; passwords are not in it; a full disk loses
// nothing.
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <termios.h>
#include <unistd.h>

#include "check.h"
#include "keeper/record/frames.h"
#include "keeper/record/record.h"

#include <signal.h>

#define SECOND 1000000000ull

static char text[1024 * 1024];

// What the file has, as far as it can be read: a frame that is not ended counts.
static size_t read_back(int file) {
    static uint8_t packed[1024 * 1024];
    ssize_t length = pread(file, packed, sizeof packed, 0);
    CHECK(length >= 0 && (size_t)length < sizeof packed);
    ZSTD_DCtx *context = ZSTD_createDCtx();
    ZSTD_inBuffer in = {.src = packed, .size = (size_t)length};
    ZSTD_outBuffer out = {.dst = text, .size = sizeof text - 1};
    while (in.pos < in.size)
        CHECK(!ZSTD_isError(ZSTD_decompressStream(context, &out, &in)));
    ZSTD_freeDCtx(context);
    text[out.pos] = '\0';
    return out.pos;
}

static int new_file(void) {
    int file = memfd_create("recording", MFD_CLOEXEC);
    CHECK(file >= 0 && fcntl(file, F_SETFL, O_APPEND) == 0);
    return file;
}

static struct record_settings settings_of(int file, enum cast_version version) {
    struct record_settings settings = {.file = dup(file),
                                       .terminal = -1,
                                       .version = version,
                                       .most_bytes = UINT64_MAX,
                                       .started_ns = 5 * SECOND,
                                       .started_unix_s = 1700000000,
                                       .term = "xterm\"x",
                                       .title = "ada \xc3\xa9\xff"};
    return settings;
}

static void output(struct record *record, const char *bytes, uint64_t now_ns) {
    record_output(record, (const uint8_t *)bytes, strlen(bytes), now_ns);
}

static void check_escaped(const char *bytes, size_t length, const char *expected) {
    // Cut at every place, the text is the same.
    for (size_t cut = 0; cut <= length; cut++) {
        struct cast_held held = {0};
        char out[512];
        size_t used = cast_text(&held, (const uint8_t *)bytes, cut, out);
        used += cast_text(&held, (const uint8_t *)bytes + cut, length - cut, out + used);
        used += cast_text_end(&held, out + used);
        CHECK(used == strlen(expected) && memcmp(out, expected, used) == 0);
    }
}

#define ESCAPED(bytes, expected) check_escaped(bytes, sizeof(bytes) - 1, expected)
#define BAD "\xef\xbf\xbd"

static void test_text(void) {
    ESCAPED("", "");
    ESCAPED("plain text that is longer than a word", "plain text that is longer than a word");
    ESCAPED("a \"quoted\" \\ one", "a \\\"quoted\\\" \\\\ one");
    ESCAPED("\0\x01\x1b[0m\x1f\x7f\r\n\t\b\f", "\\u0000\\u0001\\u001b[0m\\u001f\x7f\\r\\n\\t\\b\\f");
    ESCAPED("12345678\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
            "12345678\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
    ESCAPED("\xc0\xaf", BAD BAD);                 // longer than it need be
    ESCAPED("\xe0\x80\xaf", BAD BAD BAD);         // the same
    ESCAPED("\xed\xa0\x80", BAD BAD BAD);         // a surrogate
    ESCAPED("\xf4\x90\x80\x80", BAD BAD BAD BAD); // beyond U+10FFFF
    ESCAPED("\xf0\x9f\x98x", BAD "x");            // what could have begun one is one
    ESCAPED("\xe2\x82\xe2\x82\xac", BAD "\xe2\x82\xac");
    ESCAPED("\xe2\x82", BAD);
    ESCAPED("\x80\xff\xfe", BAD BAD BAD);
    ESCAPED("\xc2\x9b", "\xc2\x9b");
    ESCAPED("\xc3\"\xc3\n", BAD "\\\"" BAD "\\n");
}

static void test_version_2(void) {
    int file = new_file();
    struct record_settings settings = settings_of(file, CAST_2);
    struct record *record = record_begin(&settings, 80, 24);
    record_resize(record, 100, 30, 5 * SECOND); // before the first line is its size
    output(record, "hello\r\n\xe2\x82", 5 * SECOND + 1500000);
    record_tick(record, 5 * SECOND + 2000000);
    CHECK(read_back(file) == 0 && record_waits(record));
    record_tick(record, 6 * SECOND + 2000000);
    CHECK(!record_waits(record));
    CHECK(read_back(file) > 0);
    CHECK(strcmp(text, "{\"version\":2,\"width\":100,\"height\":30,\"timestamp\":1700000000,"
                       "\"title\":\"ada \xc3\xa9" BAD "\",\"env\":{\"TERM\":\"xterm\\\"x\"}}\n"
                       "[0.001500,\"o\",\"hello\\r\\n\"]\n") == 0);
    record_resize(record, 80, 24, 7 * SECOND);
    output(record, "\xac!", 7 * SECOND);
    output(record, "\xe2", 6 * SECOND); // no time goes back
    record_end(record, 3, 8 * SECOND);
    CHECK(read_back(file) > 0);
    CHECK(strstr(text,
                 "\n[2.000000,\"r\",\"80x24\"]\n[2.000000,\"o\",\"\xe2\x82\xac!\"]\n[2.000000,\"o\",\"\"]\n"
                 "[3.000000,\"o\",\"" BAD "\"]\n") != NULL);
    (void)close(file);
}

static void test_version_3(void) {
    int file = new_file();
    struct record_settings settings = settings_of(file, CAST_3);
    settings.title[0] = '\0';
    struct record *record = record_begin(&settings, 80, 24);
    output(record, "a", 6 * SECOND);
    output(record, "b", 6 * SECOND + 250000000);
    record_resize(record, 81, 24, 7 * SECOND);
    record_end(record, 141, 9 * SECOND);
    CHECK(read_back(file) > 0);
    CHECK(strcmp(text, "{\"version\":3,\"term\":{\"cols\":80,\"rows\":24,\"type\":\"xterm\\\"x\"},"
                       "\"timestamp\":1700000000}\n"
                       "[1.000000,\"o\",\"a\"]\n[0.250000,\"o\",\"b\"]\n[0.750000,\"r\",\"81x24\"]\n"
                       "[2.000000,\"x\",\"141\"]\n") == 0);
    (void)close(file);
}

// A process that is killed ends nothing; the next one goes on where it was.
static void test_goes_on(void) {
    int file = new_file();
    for (int round = 0; round < 3; round++) {
        struct record_settings settings = settings_of(file, CAST_2);
        struct record *record = record_begin(&settings, 80, 24);
        output(record, "kept", 6 * SECOND);
        record_tick(record, 8 * SECOND);
        output(record, "lost", 9 * SECOND);
        // and is never seen again
    }
    CHECK(read_back(file) > 0);
    size_t kept = 0, headers = 0;
    for (const char *at = text; (at = strstr(at, "kept")) != NULL; at++)
        kept++;
    for (const char *at = text; (at = strstr(at, "version")) != NULL; at++)
        headers++;
    CHECK(kept == 3 && headers == 1 && strstr(text, "lost") == NULL);
    (void)close(file);
}

static void type(struct record *record, const char *bytes) {
    record_input(record, (const uint8_t *)bytes, strlen(bytes), record_is_secret(record), 6 * SECOND);
}

static void test_input(void) {
    int master, slave, file = new_file();
    CHECK(openpty(&master, &slave, NULL, NULL, NULL) == 0);
    struct record_settings settings = settings_of(file, CAST_2);
    settings.terminal = master;
    struct record *record = record_begin(&settings, 80, 24);
    type(record, "not wanted");
    record_end(record, 0, 7 * SECOND);
    settings.file = dup(file);
    settings.input = true;
    record = record_begin(&settings, 80, 24);
    struct termios termios;
    CHECK(tcgetattr(slave, &termios) == 0);
    type(record, "ls\r");
    termios.c_lflag &= ~(tcflag_t)ECHO;
    CHECK(tcsetattr(slave, TCSANOW, &termios) == 0);
    type(record, "secret\r");
    termios.c_lflag &= ~(tcflag_t)ICANON; // as an editor has it
    CHECK(tcsetattr(slave, TCSANOW, &termios) == 0);
    type(record, ":wq\r");
    record_end(record, 0, 7 * SECOND);
    // The first of the two did end its frame: what stands behind it is read from there.
    uint8_t packed[4096];
    ssize_t length = pread(file, packed, sizeof packed, 0);
    CHECK(length > 0 && memmem(packed, (size_t)length, "secret", 6) == NULL);
    CHECK(memmem(packed, (size_t)length, "not wanted", 10) == NULL);
    CHECK(memmem(packed, (size_t)length, "ls\\r", 4) != NULL);
    CHECK(memmem(packed, (size_t)length, ":wq", 3) != NULL);
    (void)close(file);
    (void)close(master);
    (void)close(slave);
}

static void test_limit(void) {
    int file = new_file();
    struct record_settings settings = settings_of(file, CAST_2);
    settings.most_bytes = 20000;
    struct record *record = record_begin(&settings, 80, 24);
    uint64_t state = 7;
    for (int count = 0; record_state(record) == RECORD_GOES_ON; count++) {
        uint8_t noise[4096];
        for (size_t index = 0; index < sizeof noise; index++)
            noise[index] = (uint8_t)next_random(&state);
        record_output(record, noise, sizeof noise, 6 * SECOND);
        CHECK(count < 1000);
    }
    CHECK(record_state(record) == RECORD_AT_LIMIT);
    output(record, "too much", 7 * SECOND);
    record_end(record, -1, 8 * SECOND);
    CHECK(read_back(file) > 0 && strstr(text, "too much") == NULL);
    (void)close(file);
}

// A file that may not grow stands for a disk that is full: EFBIG is no such, so that both are seen.
static void test_broken(void) {
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = RLIM_INFINITY};
    const struct rlimit any = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    int file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC | O_APPEND, 0600);
    CHECK(file >= 0 && signal(SIGXFSZ, SIG_IGN) != SIG_ERR && setrlimit(RLIMIT_FSIZE, &none) == 0);
    struct record_settings settings = settings_of(file, CAST_2);
    struct record *record = record_begin(&settings, 80, 24);
    output(record, "x", 6 * SECOND);
    record_tick(record, 8 * SECOND);
    CHECK(record_state(record) == RECORD_BROKEN);
    record_end(record, 0, 9 * SECOND);
    CHECK(setrlimit(RLIMIT_FSIZE, &any) == 0);
    (void)close(file);
}

static void test_full(void) {
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC), file = new_file();
    struct record_settings settings = settings_of(full, CAST_2);
    struct record *record = record_begin(&settings, 80, 24);
    output(record, "waits", 6 * SECOND);
    record_tick(record, 8 * SECOND);
    CHECK(record_state(record) == RECORD_FULL && record_waits(record));
    output(record, "not taken", 8 * SECOND);
    record_tick(record, 9 * SECOND + 1);
    CHECK(record_state(record) == RECORD_FULL);
    CHECK(dup2(file, settings.file) == settings.file); // there is room
    record_tick(record, 9 * SECOND + 2);
    CHECK(record_state(record) == RECORD_FULL); // not yet
    record_tick(record, 11 * SECOND);
    CHECK(record_state(record) == RECORD_GOES_ON && !record_waits(record));
    output(record, "goes on", 12 * SECOND);
    record_end(record, 0, 13 * SECOND);
    CHECK(read_back(file) > 0);
    CHECK(strstr(text, "waits") != NULL && strstr(text, "not taken") == NULL &&
          strstr(text, "goes on") != NULL);
    (void)close(full);
    (void)close(file);
}

int main(void) {
    test_text();
    test_version_2();
    test_version_3();
    test_goes_on();
    test_input();
    test_limit();
    test_broken();
    test_full();
    (void)printf("record_test: ok\n");
    return 0;
}

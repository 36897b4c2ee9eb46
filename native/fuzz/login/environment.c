// Fuzzes the input that the login client takes from the user who starts it: variables, and the arguments for
// a shell outside.

#include "cleanup.h"
#include "environ.h"
#include "fuzz.h"
#include "outside.h"

enum { MOST = 16 };

// A list of strings that end in NUL, and how many there are.
static size_t split(char *text, size_t length, char **list) {
    size_t count = 0;
    for (size_t at = 0; at < length && count < MOST; at += strlen(text + at) + 1)
        list[count++] = text + at;
    return count;
}

static void check_arguments(char **argv, size_t count) {
    static const char shell[] = "/usr/bin/zsh";
    const char *out[MOST + 3];
    char name[16];
    outside_arguments(argv, argv[0], count > 1 ? argv[count - 1] : NULL, shell, name, sizeof name, out);
    REQUIRE(out[0] == name && (strcmp(name, "zsh") == 0 || strcmp(name, "-zsh") == 0));
    size_t made = 0;
    while (out[made] != NULL)
        made++;
    REQUIRE(made <= count + 2);
}

static void check_variable(const char *text) {
    enum environ_want want = environ_want(text);
    REQUIRE(want == ENVIRON_NEVER || strchr(text, '=') != NULL);
    REQUIRE(want != ENVIRON_ALWAYS || (strncmp(text, "LD_", 3) != 0 && strncmp(text, "PATH=", 5) != 0));
}

// What there is no room for is left out, and nothing else of a message.
static void check_written(char *const *list) {
    uint8_t bytes[256], few[256];
    struct wire_writer writer, without;
    wire_start(&writer, bytes, sizeof bytes, MSG_LOGIN);
    wire_start(&without, few, sizeof few, MSG_LOGIN);
    environ_write(&writer, list, true);
    environ_write(&without, list, false);
    REQUIRE(writer.overflow == without.overflow);
    REQUIRE(writer.used <= sizeof bytes && writer.used >= without.used);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    char *list[MOST + 1] = {NULL};
    cleanup_free char *text = malloc(length + 1);
    memcpy(text, bytes, length);
    text[length] = '\0';
    size_t count = split(text, length, list);
    if (count == 0 || list[0][0] == '\0')
        return 0;
    for (size_t index = 0; index < count; index++)
        check_variable(list[index]);
    check_written(list);
    check_arguments(list, count);
    return 0;
}

#include "outside.h"

#include <string.h>

#include "check.h"

// Joins what outside_arguments makes of a call, with '|' between.
static const char *arguments(char **argv, const char *original) {
    static char text[256];
    const char *out[16];
    char name[64];
    outside_arguments(argv, "/usr/bin/dockersh", original, "/bin/zsh", name, sizeof name, out);
    text[0] = '\0';
    for (size_t index = 0; out[index] != NULL; index++) {
        if (index > 0)
            strcat(text, "|"); // NOLINT: short by construction
        strcat(text, out[index]);
    }
    return text;
}

#define CALL(...) ((char *[]){__VA_ARGS__, NULL})

int main(void) {
    CHECK(strcmp(arguments(CALL("-dockersh"), NULL), "-zsh") == 0);
    CHECK(strcmp(arguments(CALL("dockersh"), NULL), "-zsh") == 0);
    CHECK(strcmp(arguments(CALL("dockersh"), "id; ls"), "zsh|-c|id; ls") == 0);
    CHECK(strcmp(arguments(CALL("dockersh"), ""), "zsh|-c|") == 0);
    // A login shell is one, whatever the environment says.
    CHECK(strcmp(arguments(CALL("-dockersh"), "id"), "-zsh") == 0);
    CHECK(strcmp(arguments(CALL("dockersh", "-c", "id"), "ls"), "zsh|-c|id") == 0);
    CHECK(strcmp(arguments(CALL("-dockersh", "-c", "id"), NULL), "-zsh|-c|id") == 0);
    CHECK(strcmp(arguments(CALL("dockersh", "-l", "script", "word"), NULL), "zsh|-l|script|word") == 0);
    // Login shell and ForceCommand at once.
    CHECK(strcmp(arguments(CALL("dockersh", "-c", "/usr/bin/dockersh"), "id"), "zsh|-c|id") == 0);
    CHECK(strcmp(arguments(CALL("dockersh", "-c", "/usr/bin/dockersh"), NULL), "-zsh") == 0);
    CHECK(strcmp(arguments(CALL("dockersh", "-c", "/usr/bin/dockersh", "x"), NULL),
                 "zsh|-c|/usr/bin/dockersh|x") == 0);
    (void)printf("outside_test: ok\n");
    return 0;
}

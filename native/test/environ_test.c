// Tests of the variables that the login client sends. A unit test of src/shell/environment.ts checks that the
// daemon's list is the same.

#include "environ.h"

#include "check.h"

static void test_allowed(void) {
    static const char *const good[] = {"TERM=xterm",       "TERM=",    "LANG=C.UTF-8",
                                       "LC_ALL=C",         "LC_X=a=b", "SSH_CONNECTION=::1 5 ::1 22",
                                       "GIT_PROTOCOL=v=2", "TZ=UTC",   "SSH_ORIGINAL_COMMAND=id; true"};
    for (size_t index = 0; index < sizeof good / sizeof good[0]; index++)
        CHECK(environ_allowed(good[index]));
}

static void test_refused(void) {
    // What a loader, a shell or an interpreter obeys, and names that only begin or end like good ones.
    static const char *const bad[] = {"LD_PRELOAD=/x",
                                      "LD_LIBRARY_PATH=/x",
                                      "BASH_ENV=/x",
                                      "ENV=/x",
                                      "NODE_OPTIONS=--require=/x",
                                      "PATH=/x",
                                      "HOME=/x",
                                      "USER=root",
                                      "SHELL=/bin/sh",
                                      "IFS= ",
                                      "SSH_AUTH_SOCK=/tmp/agent",
                                      "XDG_RUNTIME_DIR=/run/user/0",
                                      "TERMINFO=/x",
                                      "TERM",
                                      "LC_ALL",
                                      "LC_",
                                      "LC_A-B=x",
                                      "LC_A B=x",
                                      "XTERM=x",
                                      "term=xterm",
                                      " TERM=x",
                                      "=TERM=x",
                                      "=",
                                      ""};
    for (size_t index = 0; index < sizeof bad / sizeof bad[0]; index++)
        CHECK(!environ_allowed(bad[index]));
}

int main(void) {
    test_allowed();
    test_refused();
    (void)printf("environ_test: ok\n");
    return 0;
}

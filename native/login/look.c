#include "look.h"

#include <string.h>

static bool take(const char *option, int *argc, char ***argv) {
    if (*argc < 2 || strcmp((*argv)[1], option) != 0)
        return false;
    *argc -= 1;
    *argv += 1;
    return true;
}

void look_take(struct look *look, int *argc, char ***argv) {
    *look = (struct look){0};
    if (take("--watch", argc, argv))
        look->view = LOOK_WATCH;
    else if (take("--join", argc, argv))
        look->view = LOOK_JOIN;
    look->raw = look->view != 0 && take("--raw", argc, argv);
}

#include "ssh/terminal.h"

#include <sys/ioctl.h>

#include "values.h"

#define MOST_SIZE 32767 // of what the kernel's signed users of it take

// resizeTerminal(fd, columns, rows, width, height)
napi_value resize_terminal(napi_env env, napi_callback_info info) {
    napi_value values[5];
    uint32_t size[4];
    int fd;
    if (!arguments(env, info, 5, values) || !number_of(env, values[0], &fd))
        return NULL;
    for (int index = 0; index < 4; index++) {
        if (!u32_of(env, values[1 + index], &size[index]))
            return NULL;
        if (size[index] > MOST_SIZE)
            size[index] = MOST_SIZE;
    }
    const struct winsize window = {.ws_col = (unsigned short)size[0],
                                   .ws_row = (unsigned short)size[1],
                                   .ws_xpixel = (unsigned short)size[2],
                                   .ws_ypixel = (unsigned short)size[3]};
    return ioctl(fd, TIOCSWINSZ, &window) == 0 ? NULL : throw_errno(env, "ioctl", "TIOCSWINSZ");
}

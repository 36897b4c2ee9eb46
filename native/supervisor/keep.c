#include "keep.h"

#include "sys.h"

void keep_only(const int *kept, size_t count) {
    unsigned from = 3;
    for (;;) {
        unsigned next = ~0u; // the lowest one to keep from here on
        for (size_t index = 0; index < count; index++) {
            if (kept[index] >= (int)from && (unsigned)kept[index] < next)
                next = (unsigned)kept[index];
        }
        if (next > from)
            (void)sys_close_range(from, next - 1, 0);
        if (next == ~0u)
            return;
        from = next + 1;
    }
}

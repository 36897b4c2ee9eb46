#include "decimal.h"

int decimal_parse(const char *text, size_t length, uint64_t *value) {
    uint64_t number = 0;
    if (length == 0 || length > 19)
        return -1;
    for (size_t index = 0; index < length; index++) {
        if (text[index] < '0' || text[index] > '9')
            return -1;
        number = number * 10 + (uint64_t)(text[index] - '0');
    }
    if (number > INT64_MAX)
        return -1;
    *value = number;
    return 0;
}

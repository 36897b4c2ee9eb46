#include "login_check.h"

#include "wire.h"

#define ONCE_TAGS 8 // UMASK, TIME, EXEC_PATH and USER are below

bool login_is_whole(const uint8_t *bytes, size_t length) {
    struct wire_reader reader;
    struct wire_field field;
    unsigned arguments = 0, variables = 0;
    bool seen[ONCE_TAGS] = {false}, looks = false;
    if (!wire_open_header(&reader, bytes, length) || reader.type != MSG_LOGIN || reader.fd_count != 3)
        return false;
    while (wire_next(&reader, &field)) {
        switch (field.tag) {
        case TAG_ARG:
            if (++arguments > LOGIN_MAX_ARGUMENTS)
                return false;
            break;
        case TAG_ENV:
            if (++variables > LOGIN_MAX_VARIABLES)
                return false;
            break;
        case TAG_UMASK:
        case TAG_TIME:
        case TAG_EXEC_PATH:
        case TAG_USER:
            if (seen[field.tag])
                return false;
            seen[field.tag] = true;
            break;
        case TAG_VIEW:
            if (looks)
                return false;
            looks = true;
            break;
        default:
            return false;
        }
    }
    return reader.at == reader.end && arguments > 0;
}

bool join_is_whole(const uint8_t *bytes, size_t length) {
    struct wire_reader reader;
    struct wire_field field;
    bool user = false, from = false, auth = false, time = false, folder = false, entry = false;
    if (!wire_open_header(&reader, bytes, length) || reader.type != MSG_JOIN || reader.fd_count != 1)
        return false;
    while (wire_next(&reader, &field)) {
        bool *seen = field.tag == TAG_USER            ? &user
                     : field.tag == TAG_FROM          ? &from
                     : field.tag == TAG_AUTH          ? &auth
                     : field.tag == TAG_TIME          ? &time
                     : field.tag == TAG_CLIENT_FOLDER ? &folder
                     : field.tag == TAG_GW_ENTRY      ? &entry
                                                      : NULL;
        if (seen == NULL || *seen || (field.tag == TAG_AUTH && field.length > JOIN_MAX_AUTH))
            return false;
        *seen = true;
    }
    return reader.at == reader.end && user;
}

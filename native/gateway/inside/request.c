#include "inside/request.h"

#include <stdlib.h>
#include <string.h>

// What each request must have, and may.
static const struct {
    uint16_t type;
    unsigned must, may;
} requests[] = {
    {MSG_GW_SESSION, HAS_SLOT | HAS_KIND,
     HAS_ARGUMENT | HAS_VARIABLES | HAS_TERM | HAS_SIZE | HAS_MODES | HAS_AGENT | HAS_X11},
    {MSG_GW_TELL, HAS_SLOT | HAS_KIND | HAS_SIGNAL, 0},
    {MSG_GW_CONNECT, HAS_SLOT | HAS_KIND | HAS_NAME, HAS_CODE},
    {MSG_GW_LISTEN, HAS_SLOT | HAS_KIND, HAS_NAME | HAS_CODE},
    {MSG_GW_CLOSE, HAS_SLOT, 0},
};

// Nothing but what a name, an address or a path can be: no NUL, and no more than there is room for.
static bool take_text(const struct wire_field *field, char *text, size_t size) {
    if (field->length >= size || memchr(field->value, '\0', field->length) != NULL)
        return false;
    memcpy(text, field->value, field->length);
    text[field->length] = '\0';
    return true;
}

static bool take_variable(struct request *request, const struct wire_field *field) {
    if (request->variable_count == MOST_VARIABLES)
        return false;
    char *text = wire_text(field);
    if (text == NULL)
        return false;
    request->variables[request->variable_count++] = text;
    return true;
}

static bool take_modes(struct request *request, const struct wire_field *field) {
    if (field->length > sizeof request->modes)
        return false;
    if (field->length > 0)
        memcpy(request->modes, field->value, field->length);
    request->mode_count = field->length;
    return true;
}

static bool take_size(struct request *request, const struct wire_field *field) {
    size_t count;
    return wire_u32s(field, request->size, 4, &count) && count == 4;
}

// The flag of its kind, or 0.
static unsigned take(struct request *request, const struct wire_field *field) {
    switch (field->tag) {
    case TAG_SLOT:
        return wire_u32(field, &request->slot) ? HAS_SLOT : 0;
    case TAG_KIND:
        return take_text(field, request->kind, sizeof request->kind) ? HAS_KIND : 0;
    case TAG_ARG:
        if (request->argument == NULL)
            request->argument = wire_text(field);
        return request->argument != NULL ? HAS_ARGUMENT : 0;
    case TAG_NAME:
        return take_text(field, request->name, sizeof request->name) ? HAS_NAME : 0;
    case TAG_CODE:
        return wire_u32(field, &request->code) ? HAS_CODE : 0;
    case TAG_SIGNAL:
        return wire_u32(field, &request->signal) ? HAS_SIGNAL : 0;
    case TAG_ENV:
        return take_variable(request, field) ? HAS_VARIABLES : 0;
    case TAG_GW_SIZE:
        return take_size(request, field) ? HAS_SIZE : 0;
    case TAG_GW_TERM:
        return take_text(field, request->term, sizeof request->term) ? HAS_TERM : 0;
    case TAG_GW_MODES:
        return take_modes(request, field) ? HAS_MODES : 0;
    case TAG_GW_AGENT:
        return wire_u32(field, &request->agent) ? HAS_AGENT : 0;
    case TAG_GW_X11:
        return take_text(field, request->x11, sizeof request->x11) ? HAS_X11 : 0;
    default:
        return 0;
    }
}

bool request_read(struct request *request, const uint8_t *bytes, size_t length) {
    struct wire_reader reader;
    struct wire_field field;
    memset(request, 0, sizeof *request);
    if (!wire_open(&reader, bytes, length) || reader.fd_count != 0)
        return false;
    request->type = reader.type;
    while (wire_next(&reader, &field)) {
        unsigned flag = take(request, &field);
        bool again = (request->has & flag) != 0 && flag != HAS_VARIABLES;
        if (flag == 0 || again)
            return false;
        request->has |= flag;
    }
    for (size_t index = 0; index < sizeof requests / sizeof requests[0]; index++) {
        unsigned must = requests[index].must, may = must | requests[index].may;
        if (requests[index].type == request->type)
            return (request->has & must) == must && (request->has & ~may) == 0;
    }
    return false;
}

void request_free(struct request *request) {
    free(request->argument);
    request->argument = NULL;
    for (size_t index = 0; index < request->variable_count; index++)
        free(request->variables[index]);
    request->variable_count = 0;
}

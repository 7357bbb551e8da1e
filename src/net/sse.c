/* sse.c: see sse.h. Lines end in LF, CR or both. "id" and "retry" are for reconnecting, which we do not do, and are
 * ignored like unknown fields. */
#include "net/sse.h"

#include <stdio.h>
#include <string.h>

void sse_init(sse *s, size_t limit, sse_on_event *on_event, void *payload)
{
    *s = (sse){ .on_event = on_event, .payload = payload, .limit = limit };
}

void sse_release(sse *s)
{
    buf_release(&s->line);
    buf_release(&s->data);
}

static rap_status too_long(const sse *s, rap_err *err)
{
    return err_set(err, RAP_E_LIMIT, "the server sent an event of more than %zu bytes", s->limit);
}

/* An empty line completes the event; one without data is dropped. */
static rap_status dispatch(sse *s, rap_err *err)
{
    rap_status status = RAP_OK;

    if (s->has_data)
        status = s->on_event(*s->name ? s->name : "message", buf_text(&s->data), s->data.len,
                             s->payload, err);
    buf_clear(&s->data);
    s->has_data = false;
    s->name[0] = '\0';
    return status;
}

static rap_status add_data(sse *s, const char *value, size_t size, rap_err *err)
{
    if (size >= s->limit - s->data.len)
        return too_long(s, err);
    if (s->has_data)
        buf_putc(&s->data, '\n');
    buf_add(&s->data, value, size);
    s->has_data = true;
    return buf_failed(&s->data) ? err_memory(err, "reading a stream") : RAP_OK;
}

static rap_status take_line(sse *s, rap_err *err)
{
    const char *line = buf_text(&s->line), *colon, *value;
    size_t len = s->line.len, field, size;

    if (!s->begun && len >= 3 && memcmp(line, "\xEF\xBB\xBF", 3) == 0)
        line += 3, len -= 3;
    s->begun = true;
    if (len == 0)
        return dispatch(s, err);
    colon = memchr(line, ':', len);
    field = colon ? (size_t)(colon - line) : len;
    value = colon ? colon + 1 : line + len;
    size = len - (size_t)(value - line);
    if (size > 0 && *value == ' ')
        value++, size--;
    if (field == 4 && memcmp(line, "data", 4) == 0)
        return add_data(s, value, size, err);
    if (field == 5 && memcmp(line, "event", 5) == 0)
        snprintf(s->name, sizeof s->name, "%.*s", (int)(size < 63 ? size : 63), value);
    return RAP_OK;
}

rap_status sse_add(sse *s, const char *bytes, size_t size, rap_err *err)
{
    const char *end = bytes + size;
    rap_status status = RAP_OK;

    while (bytes < end && status == RAP_OK) {
        const char *stop = bytes;

        if (s->after_return && *bytes == '\n') {
            s->after_return = false;
            bytes++;
            continue;
        }
        s->after_return = false;
        while (stop < end && *stop != '\n' && *stop != '\r')
            stop++;
        if ((size_t)(stop - bytes) > s->limit - s->line.len)
            return too_long(s, err);
        buf_add(&s->line, bytes, (size_t)(stop - bytes));
        if (buf_failed(&s->line))
            return err_memory(err, "reading a stream");
        bytes = stop;
        if (stop == end)
            break;
        s->after_return = *bytes++ == '\r';
        status = take_line(s, err);
        buf_clear(&s->line);
    }
    return status;
}

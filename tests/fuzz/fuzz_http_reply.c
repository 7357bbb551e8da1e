/* fuzz_http_reply.c: the head of a server's reply, line by line. An ETag and a commit become file names. */
#include "fuzz/fuzz.h"
#include "net/http.h"

#include <string.h>

static void must_be_a_name(const char *text)
{
    if (*text == '.' || strchr(text, '/') || strlen(text) > 127)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    http_reply r;

    http_reply_clear(&r);
    for (size_t at = 0; at < size;) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        size_t len = end ? (size_t)(end - data) - at + 1 : size - at;

        http_reply_line(&r, (const char *)data + at, len);
        at += len;
    }
    must_be_a_name(r.etag);
    must_be_a_name(r.linked_etag);
    must_be_a_name(r.commit);
    if (r.length < -1 || r.linked_size < -1 || r.range_from < -1 || r.range_total < r.range_from ||
        r.retry_after < 0 || strlen(r.location) >= sizeof r.location)
        abort();
    return 0;
}

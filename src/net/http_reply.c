/* http_reply.c: reads the untrusted header lines of a reply. */
#include "net/http_reply.h"

#include "base/text.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

void http_reply_clear(http_reply *r)
{
    *r = (http_reply){ .length = -1, .range_from = -1, .range_total = -1, .linked_size = -1 };
}

static int64_t whole_number(const char *text)
{
    long value;

    return text_parse_long(&value, text) && value >= 0 ? (int64_t)value : -1;
}

/* "bytes 100-199/1000" */
static void read_range(http_reply *r, const char *value)
{
    long long from, to, total;

    if (sscanf(value, "bytes %lld-%lld/%lld", &from, &to, &total) != 3)
        return;
    if (from < 0 || to < from || total <= to)
        return;
    r->range_from = from;
    r->range_total = total;
}

/* An ETag without W/ and quotes; "" if it could not be a file name. */
static bool read_etag(char out[128], const char *value)
{
    bool weak = strncmp(value, "W/", 2) == 0;
    size_t len;

    value += weak ? 2 : 0;
    value += *value == '"';
    len = strcspn(value, "\"");
    out[0] = '\0';
    if (len == 0 || len >= 128 || *value == '.' || *value == '-')
        return weak;
    for (size_t i = 0; i < len; i++)
        if (!strchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-", value[i]))
            return weak;
    memcpy(out, value, len);
    out[len] = '\0';
    return weak;
}

/* Seconds, or a date. */
static long read_pause(const char *value)
{
    int64_t seconds = whole_number(value);
    time_t when, now = time(NULL);

    if (seconds >= 0)
        return (long)seconds;
    when = curl_getdate(value, NULL);
    return when > now ? (long)(when - now) : 0;
}

/* "Text/HTML; charset=…" → "text/html" */
static void read_type(char out[64], const char *value)
{
    size_t len = strcspn(value, "; \t");

    out[0] = '\0';
    if (len >= 64)
        return;
    for (size_t i = 0; i < len; i++)
        out[i] = value[i] >= 'A' && value[i] <= 'Z' ? (char)(value[i] - 'A' + 'a') : value[i];
    out[len] = '\0';
}

static void read_header(http_reply *r, const char *name, const char *value)
{
    char ignored[128];

    if (strcasecmp(name, "content-length") == 0)
        r->length = whole_number(value);
    else if (strcasecmp(name, "content-range") == 0)
        read_range(r, value);
    else if (strcasecmp(name, "etag") == 0)
        r->weak = read_etag(r->etag, value);
    else if (strcasecmp(name, "x-linked-etag") == 0)
        read_etag(r->linked_etag, value);
    else if (strcasecmp(name, "x-linked-size") == 0)
        r->linked_size = whole_number(value);
    else if (strcasecmp(name, "retry-after") == 0)
        r->retry_after = read_pause(value);
    else if (strcasecmp(name, "content-type") == 0)
        read_type(r->type, value);
    else if (strcasecmp(name, "location") == 0)
        snprintf(r->location, sizeof r->location, "%s", value);
    else if (strcasecmp(name, "x-repo-commit") == 0) {
        read_etag(ignored, value);
        if (strlen(ignored) == 40)
            memcpy(r->commit, ignored, 41);
    }
}

void http_reply_line(http_reply *r, const char *bytes, size_t size)
{
    char line[2300], *value;
    size_t len = size < sizeof line ? size : sizeof line - 1;

    memcpy(line, bytes, len);
    line[len] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    if (strncmp(line, "HTTP/", 5) == 0) {
        http_reply_clear(r);
        return;
    }
    value = strchr(line, ':');
    if (value) {
        *value++ = '\0';
        value += strspn(value, " \t");
        read_header(r, line, value);
    }
}

void http_reply_words(http_reply *r, const char *bytes, size_t size)
{
    size_t len = strlen(r->words);

    for (size_t i = 0; i < size && len + 1 < sizeof r->words; i++)
        r->words[len++] = bytes[i] > 0 && bytes[i] < ' ' ? ' ' : bytes[i] ? bytes[i] : '?';
    r->words[len] = '\0';
}

/* server_words.c: see server_words.h. Seen in the field: {"error": {"message"}} (OpenAI, llama.cpp), {"error": "…"}
 * (Ollama), {"object": "error", "message"} (vLLM), {"detail": "…"} or {"detail": [{"msg"}]} (FastAPI). */
#include "remote/server_words.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* One line of valid UTF-8 without control characters, blanks collapsed, at most SERVER_WORDS − 1 bytes. */
static void put_line(char out[SERVER_WORDS], const char *text, size_t size, const char *secret)
{
    size_t len = 0, hidden = secret ? strlen(secret) : 0;

    for (size_t at = 0; at < size && text[at] && len + 5 < SERVER_WORDS;) {
        unsigned code = 0;
        size_t used = text_decode(&code, text + at);

        if (hidden >= 4 && size - at >= hidden && memcmp(text + at, secret, hidden) == 0) {
            memcpy(out + len, "***", 3);
            len += 3;
            at += hidden;
        } else if (used == 0 || used > size - at) {
            out[len++] = '?';
            at++;
        } else if (code == ' ' || text_is_control(code)) {
            if (len > 0 && out[len - 1] != ' ')
                out[len++] = ' ';
            at += used;
        } else {
            memcpy(out + len, text + at, used);
            len += used;
            at += used;
        }
    }
    while (len > 0 && strchr(" .", out[len - 1]))
        len--;
    out[len] = '\0';
}

static const char *message_of(const json_t *reply)
{
    const json_t *error = json_object_get(reply, "error"), *detail;
    const char *text = json_string_value(error);

    if (!text)
        text = json_string_value(json_object_get(error, "message"));
    if (!text)
        text = json_string_value(json_object_get(reply, "message"));
    detail = json_object_get(reply, "detail");
    if (!text)
        text = json_string_value(detail);
    if (!text)
        text = json_string_value(json_object_get(json_array_get(detail, 0), "msg"));
    return text;
}

/* The value of `"name": "…"` in JSON that cannot be parsed; 0: not there. */
static int find_field(char out[SERVER_WORDS], const char *body, const char *name,
                      const char *secret)
{
    char quoted[32], plain[512];
    size_t len = 0;
    const char *at;

    snprintf(quoted, sizeof quoted, "\"%s\"", name);
    at = strstr(body, quoted);
    if (!at)
        return 0;
    at += strlen(quoted);
    at += strspn(at, " :");
    if (*at++ != '"')
        return 0;
    while (*at && *at != '"' && len + 1 < sizeof plain) {
        if (*at == '\\' && at[1]) {
            at++;
            plain[len++] = *at == 'n' || *at == 't' || *at == 'r' ? ' ' : *at;
            at++;
        } else {
            plain[len++] = *at++;
        }
    }
    plain[len] = '\0';
    put_line(out, plain, len, secret);
    return *out != '\0';
}

/* Of a web page its title, else its text. */
static void page_words(char out[SERVER_WORDS], const char *body, const char *secret)
{
    const char *title = strcasestr(body, "<title>"), *end;
    char plain[512];
    size_t len = 0;
    int inside = 0;

    if (title) {
        title += 7;
        end = strchr(title, '<');
        put_line(out, title, end ? (size_t)(end - title) : strlen(title), secret);
        return;
    }
    for (; *body && len + 1 < sizeof plain; body++) {
        if (*body == '<' || *body == '>')
            inside = *body == '<';
        plain[len++] = inside || *body == '>' ? ' ' : *body;
    }
    plain[len] = '\0';
    put_line(out, plain, len, secret);
}

void server_words(char out[SERVER_WORDS], const char *body, const char *secret)
{
    static const char *const fields[] = { "message", "error", "detail", "msg" };
    const char *begin = body + strspn(body, " \t\r\n"), *text;
    json_t *json = json_loads(begin, JSON_DISABLE_EOF_CHECK, NULL);

    out[0] = '\0';
    text = message_of(json);
    if (text)
        put_line(out, text, strlen(text), secret);
    for (size_t i = 0; !*out && *begin == '{' && i < sizeof fields / sizeof *fields; i++)
        find_field(out, begin, fields[i], secret);
    if (!*out && *begin == '<')
        page_words(out, begin, secret);
    else if (!*out)
        put_line(out, begin, strlen(begin), secret);
    json_decref(json);
}

int server_error(char out[SERVER_WORDS], const json_t *reply, const char *secret)
{
    const json_t *error = json_object_get(reply, "error"),
                 *object = json_object_get(reply, "object");
    const char *text;

    if ((!error || json_is_null(error)) &&
        !(json_is_string(object) && strcmp(json_string_value(object), "error") == 0))
        return 0;
    text = message_of(reply);
    out[0] = '\0';
    if (text)
        put_line(out, text, strlen(text), secret);
    if (!*out)
        snprintf(out, SERVER_WORDS, "an error that it does not explain");
    return 1;
}

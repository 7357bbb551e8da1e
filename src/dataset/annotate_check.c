/* annotate_check.c: the answer within the reply, names, then the three forms. */
#include "dataset/annotate_check.h"

#include "base/text.h"
#include "base/text_fold.h"
#include "base/text_search.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

const char *annotate_fault_text(annotate_fault fault)
{
    static const char *const text[] = {
        "nothing is wrong",
        "nothing is in the answer",
        "the answer was cut off at the limit of tokens",
        "the answer is longer than such a text is",
        "the answer is not the JSON that was asked for",
        "a name is missing in the answer",
        "the answer uses a name that it must not",
    };

    return fault >= 0 && fault < FAULT_COUNT ? text[fault] : "unknown";
}

/* ---- the answer within the reply ---- */

typedef struct span {
    const char *text;
    size_t len;
} span;

static span trimmed(const char *text, size_t len)
{
    while (len > 0 && isspace((unsigned char)*text))
        text++, len--;
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        len--;
    return (span){ text, len };
}

static span answer_of(const char *reply)
{
    span s = trimmed(reply, strlen(reply));
    const char *end;

    if (s.len >= 7 && strncmp(s.text, "<think>", 7) == 0) {
        end = strstr(s.text, "</think>");
        s = end ? trimmed(end + 8, s.len - (size_t)(end + 8 - s.text)) : (span){ s.text, 0 };
    }
    if (s.len >= 6 && memcmp(s.text, "```", 3) == 0 && memcmp(s.text + s.len - 3, "```", 3) == 0) {
        const char *line = memchr(s.text, '\n', s.len);

        if (line && (size_t)(line - s.text) < s.len - 3)
            s = trimmed(line, s.len - 3 - (size_t)(line - s.text));
    }
    return s;
}

/* ---- names ---- */

/* May a name begin or end beside this byte? Letters of other scripts count as letters. */
static bool is_edge(char c)
{
    return (unsigned char)c < 0x80 && !isalnum((unsigned char)c) && c != '_' && c != '-';
}

/* Appends the text with brackets around the name wherever it stands as a word outside of brackets. */
static void put_brackets(buf *out, const char *text, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = text; *at;) {
        size_t inside = *at == '<' ? strcspn(at + 1, "<>") : 0;

        if (inside > 0 && at[1 + inside] == '>') {
            buf_add(out, at, inside + 2);
            at += inside + 2;
        } else if (len > 0 && strncmp(at, name, len) == 0 && (at == text || is_edge(at[-1])) &&
                   (!at[len] || is_edge(at[len]))) {
            buf_printf(out, "<%s>", name);
            at += len;
        } else {
            buf_putc(out, *at++);
        }
    }
}

/* The names with the longest first: "bo junior" before "bo". */
static void sort_names(const char *out[ANNOTATE_NAMES], const annotate_names *names)
{
    for (int i = 0; i < names->musts; i++) {
        int at = i;

        for (; at > 0 && strlen(out[at - 1]) < strlen(names->must[i]); at--)
            out[at] = out[at - 1];
        out[at] = names->must[i];
    }
}

static bool is_among(const char *name, size_t len, const annotate_names *names)
{
    for (int i = 0; i < names->musts; i++)
        if (strlen(names->must[i]) == len && memcmp(names->must[i], name, len) == 0)
            return true;
    return false;
}

/* Is something in brackets that is none of the names, or a name that is not to be used? */
static bool has_other_names(const char *text, const annotate_names *names)
{
    for (const char *open = strchr(text, '<'); open; open = strchr(open + 1, '<')) {
        size_t len = strcspn(open + 1, "<>\n");

        if (open[1 + len] == '>' && len > 0 && len <= 64 && !is_among(open + 1, len, names))
            return true;
    }
    for (int i = 0; i < names->must_nots; i++)
        if (text_search_once(text, names->must_not[i]) >= 0)
            return true;
    return false;
}

/* How many of the names the text has, in brackets. */
static int count_names(const char *text, const annotate_names *names)
{
    int count = 0;

    for (int i = 0; i < names->musts; i++) {
        buf bracketed = BUF_INIT;

        buf_printf(&bracketed, "<%s>", names->must[i]);
        count += strstr(text, buf_text(&bracketed)) != NULL;
        buf_release(&bracketed);
    }
    return count;
}

/* One line with its names in brackets. */
static annotate_fault clean(buf *out, const char *text, size_t len, const annotate_names *names)
{
    buf now = BUF_INIT, next = BUF_INIT;
    const char *longest_first[ANNOTATE_NAMES];
    annotate_fault fault = FAULT_NONE;

    sort_names(longest_first, names);
    for (size_t i = 0; i < len; i++)
        if (!isspace((unsigned char)text[i]))
            buf_putc(&now, text[i]);
        else if (now.len > 0 && now.data[now.len - 1] != ' ')
            buf_putc(&now, ' ');
    if (now.len > 2 && now.data[0] == '"' && now.data[now.len - 1] == '"' &&
        !memchr(now.data + 1, '"', now.len - 2)) { /* quoted as a whole */
        buf_add(&next, now.data + 1, now.len - 2);
        buf_clear(&now);
        buf_puts(&now, buf_text(&next));
    }
    for (int i = 0; i < names->musts; i++) {
        buf_clear(&next);
        put_brackets(&next, buf_text(&now), longest_first[i]);
        buf_clear(&now);
        buf_puts(&now, buf_text(&next));
    }
    if (now.len == 0)
        fault = FAULT_EMPTY;
    else if (now.len > ANNOTATE_LONGEST)
        fault = FAULT_LONG;
    else if (has_other_names(buf_text(&now), names))
        fault = FAULT_NAMES;
    buf_puts(out, buf_text(&now));
    buf_release(&now);
    buf_release(&next);
    return fault;
}

/* ---- the three forms ---- */

annotate_fault annotate_check_text(buf *out, const char *reply, const annotate_names *names)
{
    span s = answer_of(reply);
    annotate_fault fault = clean(out, s.text, s.len, names);

    if (fault == FAULT_NONE && count_names(buf_text(out), names) < names->musts)
        fault = FAULT_NO_NAME;
    return fault;
}

static annotate_fault add_pair(json_t *list, const json_t *pair, const annotate_names *names)
{
    const char *question = json_string_value(json_object_get(pair, "question"));
    const char *answer = json_string_value(json_object_get(pair, "answer"));
    buf q = BUF_INIT, a = BUF_INIT;
    annotate_fault fault = question && answer ? FAULT_NONE : FAULT_JSON;

    if (fault == FAULT_NONE)
        fault = clean(&q, question, strlen(question), names);
    if (fault == FAULT_NONE)
        fault = clean(&a, answer, strlen(answer), names);
    if (fault == FAULT_NONE && names->musts > 0 && count_names(buf_text(&q), names) == 0 &&
        count_names(buf_text(&a), names) == 0)
        fault = FAULT_NO_NAME;
    if (fault == FAULT_NONE)
        json_array_append_new(list, json_pack("[s, s]", buf_text(&q), buf_text(&a)));
    buf_release(&q);
    buf_release(&a);
    return fault;
}

annotate_fault annotate_check_pairs(json_t **out, const char *reply, const annotate_names *names)
{
    span s = answer_of(reply);
    json_t *root = json_loadb(s.text, s.len, 0, NULL), *list = json_array();
    const json_t *pairs = json_is_array(root) ? root : json_object_get(root, "pairs");
    size_t count = json_array_size(pairs);
    annotate_fault fault = s.len == 0                          ? FAULT_EMPTY
                           : json_is_array(pairs) && count > 0 ? FAULT_NONE
                                                               : FAULT_JSON;

    if (count > ANNOTATE_PAIRS)
        fault = FAULT_LONG;
    for (size_t i = 0; fault == FAULT_NONE && i < count; i++)
        fault = add_pair(list, json_array_get(pairs, i), names);
    json_decref(root);
    *out = fault == FAULT_NONE ? list : NULL;
    if (fault != FAULT_NONE)
        json_decref(list);
    return fault;
}

annotate_fault annotate_check_verdict(int *out, const char *reply)
{
    span s = answer_of(reply);
    json_t *root = json_loadb(s.text, s.len, 0, NULL);
    const json_t *same = json_object_get(root, "same");
    const char *word = json_string_value(same);
    annotate_fault fault = FAULT_NONE;

    *out = 0;
    if (json_is_boolean(same))
        *out = json_is_true(same);
    else if (word && (strcasecmp(word, "yes") == 0 || strcasecmp(word, "true") == 0))
        *out = 1;
    else if (!word || (strcasecmp(word, "no") != 0 && strcasecmp(word, "false") != 0))
        fault = s.len == 0 ? FAULT_EMPTY : FAULT_JSON;
    json_decref(root);
    return fault;
}

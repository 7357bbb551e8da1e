/* prompt.c: the RAP prompt as segments.
 *
 * Reading order: add_* (one segment each), plain text without control characters (add_line), the body of a turn
 * (add_body), prompt_build. Template text and data are always separate segments: the tokenizer
 * (tokens.c) never looks for special tokens in a PLAIN segment. */
#include "generate/prompt.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static rap_status add_segment(prompt *p, prompt_kind kind, const char *text, int image,
                              rap_err *err)
{
    if (p->count == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 16;
        prompt_segment *grown = realloc(p->segment, cap * sizeof *grown);

        if (!grown)
            return err_memory(err, "building a prompt");
        p->segment = grown;
        p->cap = cap;
    }
    char *copy = text ? mem_string(text) : NULL;

    if (text && !copy)
        return err_memory(err, "building a prompt");
    p->segment[p->count++] = (prompt_segment){ .kind = kind, .text = copy, .image = image };
    return RAP_OK;
}

static rap_status add_template(prompt *p, const char *text, rap_err *err)
{
    return text && *text ? add_segment(p, PROMPT_SPECIAL, text, 0, err) : RAP_OK;
}

static rap_status add_image(prompt *p, int image, rap_err *err)
{
    return add_segment(p, PROMPT_IMAGE, NULL, image, err);
}

/* Does this code point end or control a line? C0, DEL, C1, line and paragraph separator. */
static bool is_control(unsigned c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029;
}

/* Data as PLAIN text; control characters become spaces, so that it stays on its line.
 * keep_lines: newlines and tabs stay (a question may have several lines). */
static rap_status add_plain(prompt *p, const char *text, bool keep_lines, rap_err *err)
{
    buf b = BUF_INIT;
    rap_status status = RAP_OK;

    for (const char *at = text; *at;) {
        unsigned c = 0;
        size_t used = text_decode(&c, at);

        if (used == 0) {
            status = err_set(err, RAP_E_ARGUMENT, "text for the prompt is not valid UTF-8");
            goto cleanup;
        }
        if (is_control(c) && !(keep_lines && (c == '\n' || c == '\t')))
            buf_putc(&b, ' ');
        else
            buf_add(&b, at, used);
        at += used;
    }
    if (buf_failed(&b))
        status = err_memory(err, "building a prompt");
    else if (b.len)
        status = add_segment(p, PROMPT_PLAIN, buf_text(&b), 0, err);
cleanup:
    buf_release(&b);
    return status;
}

/* "1.<image>\n Name: <bo>, Info: …\n" */
static rap_status add_concept(prompt *p, const prompt_concept *c, int number, rap_err *err)
{
    buf head = BUF_INIT;
    rap_status status = RAP_OK;

    buf_printf(&head, "%s%d.", number == 1 ? "[" : "", number);
    if (buf_failed(&head))
        status = err_memory(err, "building a prompt");
    if (!status)
        status = add_template(p, buf_text(&head), err);
    if (!status && c->has_image)
        status = add_image(p, number, err);
    if (!status)
        status = add_template(p, c->has_image ? "\n Name: <" : " Name: <", err);
    if (!status)
        status = add_plain(p, c->name, false, err);
    if (!status)
        status = add_template(p, ">, Info: ", err);
    if (!status && c->info)
        status = add_plain(p, c->info, false, err);
    if (!status)
        status = add_template(p, "\n", err);
    buf_release(&head);
    return status;
}

static rap_status add_query_image(prompt *p, int has_query_image, rap_err *err)
{
    rap_status status = has_query_image ? add_image(p, 0, err) : RAP_OK;

    return status || !has_query_image ? status : add_template(p, "\n", err);
}

static rap_status add_concepts(prompt *p, const prompt_concept *concept, int concepts, rap_err *err)
{
    rap_status status = RAP_OK;

    for (int i = 0; !status && i < concepts; i++)
        status = add_concept(p, &concept[i], i + 1, err);
    return status || concepts == 0 ? status : add_template(p, "]", err);
}

static rap_status add_body(prompt *p, const prompt_style *style, int has_query_image,
                           const prompt_concept *concept, int concepts, const char *question,
                           rap_err *err)
{
    rap_status status = RAP_OK;

    if (!style->memory_first)
        status = add_query_image(p, has_query_image, err);
    if (!status)
        status = add_concepts(p, concept, concepts, err);
    if (style->memory_first || !has_query_image)
        p->memory = p->count;
    if (!status && style->memory_first)
        status = add_query_image(p, has_query_image, err);
    return status ? status : add_plain(p, question, true, err);
}

static rap_status add_start(prompt *p, const prompt_style *style, rap_err *err)
{
    rap_status status = add_template(p, style->system, err);

    if (!status && style->system_line && *style->system_line)
        status = add_plain(p, style->system_line, true, err);
    return status ? status : add_template(p, style->after_system, err);
}

rap_status prompt_build(prompt *out, const prompt_style *style, int has_query_image,
                        const prompt_concept *concept, int concepts, const char *question,
                        int first, rap_err *err)
{
    *out = (prompt){ 0 };
    rap_status status =
        first ? add_start(out, style, err) : add_template(out, style->after_assistant, err);

    if (!status)
        status = add_template(out, style->before_user, err);
    if (!status)
        status = add_body(out, style, has_query_image, concept, concepts, question, err);
    if (!status)
        status = add_template(out, style->before_assistant, err);
    if (status)
        prompt_release(out);
    return status;
}

void prompt_order(int *order, const prompt_style *style, const prompt_concept *concept,
                  const int *place, int concepts)
{
    for (int i = 0; i < concepts; i++) {
        int at = i;

        for (; at > 0; at--) {
            int other = order[at - 1];
            bool before = style->memory_first ? strcmp(concept[i].name, concept[other].name) < 0
                                              : place && place[i] < place[other];

            if (!before)
                break;
            order[at] = other;
        }
        order[at] = i;
    }
}

void prompt_release(prompt *p)
{
    for (size_t i = 0; i < p->count; i++)
        free(p->segment[i].text);
    free(p->segment);
    *p = (prompt){ 0 };
}

void prompt_text(buf *out, const prompt *p)
{
    for (size_t i = 0; i < p->count; i++)
        buf_puts(out, p->segment[i].kind == PROMPT_IMAGE ? "<image>" : p->segment[i].text);
}

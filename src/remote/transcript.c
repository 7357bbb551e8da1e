/* transcript.c: messages are added and taken back at the end. */
#include "remote/transcript.h"

#include "base/mem.h"

#include <stdlib.h>

static void release_message(chat_message *m)
{
    for (size_t i = 0; i < m->parts; i++) {
        free((void *)m->part[i].text);
        free((void *)m->part[i].picture);
    }
    free((void *)m->part);
}

void transcript_shorten(transcript *t, size_t count)
{
    while (t->count > count)
        release_message(&t->message[--t->count]);
}

void transcript_release(transcript *t)
{
    transcript_shorten(t, 0);
    free(t->message);
    *t = (transcript){ .message = NULL };
}

/* A message with room for so many parts, which are still to come. */
static rap_status add_message(chat_part **out, transcript *t, const char *role, size_t parts,
                              rap_err *err)
{
    chat_part *part = mem_array(parts, sizeof *part);
    size_t cap = t->cap ? 2 * t->cap : 8;
    chat_message *grown =
        !part || t->count < t->cap ? t->message : realloc(t->message, cap * sizeof *grown);

    *out = NULL;
    if (!part || !grown) {
        free(part);
        return err_memory(err, "continuing a conversation");
    }
    t->cap = t->count < t->cap ? t->cap : cap;
    t->message = grown;
    t->message[t->count++] = (chat_message){ role, part, 0 };
    *out = part;
    return RAP_OK;
}

rap_status transcript_add_text(transcript *t, const char *role, const char *text, rap_err *err)
{
    chat_part *part = NULL;
    char *copy = mem_string(text);
    rap_status status =
        copy ? add_message(&part, t, role, 1, err) : err_memory(err, "continuing a conversation");

    if (status != RAP_OK) {
        free(copy);
        return status;
    }
    part->text = copy;
    t->message[t->count - 1].parts = 1;
    return RAP_OK;
}

/* Segments from `*at` up to the next picture as one text. */
static rap_status add_run(chat_part *out, const prompt *p, size_t *at, rap_err *err)
{
    buf text = BUF_INIT;

    for (; *at < p->count && p->segment[*at].kind != PROMPT_IMAGE; ++*at)
        buf_puts(&text, p->segment[*at].text);
    out->text = buf_detach(&text);
    return out->text ? RAP_OK : err_memory(err, "continuing a conversation");
}

static void move_picture(chat_part *out, remote_picture *from)
{
    out->size = from->jpeg.len;
    out->picture = buf_detach(&from->jpeg);
}

rap_status transcript_add_prompt(transcript *t, const prompt *p, remote_picture *picture,
                                 rap_err *err)
{
    chat_part *part = NULL;
    rap_status status = add_message(&part, t, "user", p->count, err);
    size_t parts = 0;

    for (size_t at = 0; status == RAP_OK && at < p->count;) {
        if (p->segment[at].kind == PROMPT_IMAGE)
            move_picture(&part[parts], &picture[p->segment[at++].image]);
        else
            status = add_run(&part[parts], p, &at, err);
        t->message[t->count - 1].parts = ++parts;
    }
    if (status != RAP_OK && part)
        transcript_shorten(t, t->count - 1);
    return status;
}

/* img2img.c: see img2img.h. */
#include "remote/img2img.h"

#include "base/base64.h"
#include "image/image.h"
#include "remote/server_words.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { REPLY = 48 << 20, PICTURE = 32 << 20 };

rap_status img2img_open(endpoint **out, const endpoint_settings *settings, rap_err *err)
{
    endpoint_settings set = *settings;

    set.max_bytes = set.max_bytes > 0 ? set.max_bytes : REPLY;
    return endpoint_open(out, &set, "", "/sdapi/v1/img2img", err);
}

/* ---- the reply ---- */

static rap_status take_picture(buf *out, const char *text, size_t len, rap_err *err)
{
    const char *comma = strncmp(text, "data:", 5) == 0 ? strchr(text, ',') : NULL;
    size_t before = out->len;

    if (comma) {
        len -= (size_t)(comma + 1 - text);
        text = comma + 1;
    }
    if (len / 4 * 3 > PICTURE)
        return err_set(err, RAP_E_LIMIT, "the picture that came is larger than %d MiB",
                       PICTURE >> 20);
    if (!base64_decode(out, text, len))
        return err_set(err, RAP_E_FORMAT, "the picture that came is not base64");
    if (buf_failed(out))
        return err_memory(err, "reading a picture");
    if (!image_is_picture(buf_text(out) + before, out->len - before)) {
        buf_truncate(out, before);
        return err_set(err, RAP_E_FORMAT, "what came is no picture of a known kind");
    }
    return RAP_OK;
}

rap_status img2img_read(buf *out, bool *out_again, const char *reply, size_t size, rap_err *err)
{
    json_error_t why;
    json_t *root = json_loadb(reply, size, JSON_ALLOW_NUL, &why);
    const json_t *first = json_array_get(json_object_get(root, "images"), 0);
    char words[SERVER_WORDS];
    rap_status status;

    *out_again = !root && json_error_code(&why) == json_error_premature_end_of_input;
    if (*out_again)
        status = err_set(err, RAP_E_IO, "the reply is empty or ends in the middle");
    else if (!root)
        status = err_set(err, RAP_E_FORMAT, "the reply is not JSON of an image service");
    else if (server_error(words, root, NULL) && !first)
        status = err_set(err, RAP_E_IO, "the server reports: %s", words);
    else if (!json_is_string(first))
        status = err_set(err, RAP_E_FORMAT,
                         "the reply has no \"images\": is this an image-to-image service?");
    else
        status = take_picture(out, json_string_value(first), json_string_length(first), err);
    json_decref(root);
    return status;
}

/* ---- asking ---- */

typedef struct asking {
    buf reply, *out;
    endpoint_receiver receiver;
} asking;

static rap_status begin(const http_reply *reply, void *payload, rap_err *err)
{
    asking *a = payload;

    (void)reply, (void)err;
    buf_clear(&a->reply);
    return RAP_OK;
}

static rap_status take(const void *data, size_t size, void *payload, rap_err *err)
{
    asking *a = payload;

    buf_add(&a->reply, data, size); /* the endpoint bounds it */
    return buf_failed(&a->reply) ? err_memory(err, "reading a picture") : RAP_OK;
}

static rap_status end(void *payload, rap_err *err)
{
    asking *a = payload;

    return img2img_read(a->out, &a->receiver.again, buf_text(&a->reply), a->reply.len, err);
}

/* NULL: memory ran out, or a text is no UTF-8. free(). */
static char *request_text(const img2img_request *q)
{
    buf picture = BUF_INIT;
    json_t *root = NULL;
    char *text = NULL;

    base64_encode(&picture, q->picture, q->size);
    if (!buf_failed(&picture))
        root =
            json_pack("{s:[s%], s:s, s:s, s:f, s:I, s:i, s:i, s:i, s:i}", "init_images",
                      buf_text(&picture), picture.len, "prompt", q->prompt, "negative_prompt",
                      q->negative, "denoising_strength", q->strength, "seed", (json_int_t)q->seed,
                      "steps", q->steps, "width", q->width, "height", q->height, "batch_size", 1);
    if (root)
        text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    buf_release(&picture);
    return text;
}

rap_status img2img_ask(buf *out, endpoint *e, const img2img_request *request, rap_err *err)
{
    asking a = { .out = out,
                 .receiver = { .begin = begin, .bytes = take, .end = end, .payload = &a } };
    char *text = request_text(request);
    http_reply reply;
    rap_err why = { 0 };
    rap_status status;

    if (!text)
        return err_set(err, RAP_E_ARGUMENT,
                       "the request for a picture could not be written: a text is not UTF-8");
    status = endpoint_post(&reply, e, text, strlen(text), &a.receiver, &why);
    if (status != RAP_OK) {
        const char *url = endpoint_url(e);

        if (strncmp(why.text, url, strlen(url)) == 0)
            err_set(err, status, "%s", why.text);
        else
            err_set(err, status, "%s: %s", url, why.text);
    }
    free(text);
    buf_release(&a.reply);
    return status;
}

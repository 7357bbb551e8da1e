/* ask.c: one question: photo + question + the concepts found ──► answer. A conversation of one turn. */
#include "rap/handle.h"
#include "rap/picture.h"

rap_status rap_ask(rap_answer **out, rap *r, const rap_query *query, rap_on_token *on_token,
                   void *payload)
{
    rap_chat *chat = NULL;
    rap_query question;
    rap_status status;

    if (out)
        *out = NULL;
    if (!rap_ready(r) || !query)
        return RAP_E_ARGUMENT;
    status = rap_chat_open(&chat, r, image_given(&query->image) ? &query->image : NULL);
    if (status == RAP_OK) {
        question = *query;
        question.image = (rap_image)RAP_IMAGE_INIT; /* the chat has opened it */
        status = rap_chat_ask(out, chat, &question, on_token, payload);
    }
    rap_chat_close(chat);
    return status;
}

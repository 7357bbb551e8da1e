/* transcript.h: what was said in a conversation, as the messages of a chat request. A chat endpoint remembers nothing, so
 * each request carries all of it. */
#ifndef RAP_REMOTE_TRANSCRIPT_H
#define RAP_REMOTE_TRANSCRIPT_H

#include "generate/prompt.h"
#include "remote/chat.h"
#include "remote/picture.h"

typedef struct transcript {
    chat_message *message; /* owned, with its texts and pictures */
    size_t count, cap;
} transcript;

void transcript_release(transcript *t);

rap_status transcript_add_text(transcript *t, const char *role, const char *text, rap_err *err);
/* The prompt of a turn as a message of the user. picture: by the numbers in the prompt; their bytes move into the
 * transcript. */
rap_status transcript_add_prompt(transcript *t, const prompt *p, remote_picture *picture,
                                 rap_err *err);
/* Forgets all but the first `count` messages. */
void transcript_shorten(transcript *t, size_t count);

#endif

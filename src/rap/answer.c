/* answer.c: what rap.h says of answers beside rap_ask(). */
#include "rap.h"

#include <stdlib.h>

const char *rap_finish_text(rap_finish finish)
{
    switch (finish) {
    case RAP_FINISH_STOP:
        return "stop";
    case RAP_FINISH_LENGTH:
        return "length";
    case RAP_FINISH_LISTENER:
        return "listener";
    }
    return "unknown";
}

void rap_answer_free(rap_answer *answer)
{
    if (!answer)
        return;
    rap_matches_free(answer->matches);
    free((char *)answer->text);
    free((void *)answer->unknown);
    free((void *)answer->used);
    free((void *)answer->already_given);
    free((void *)answer->dropped_names);
    free((void *)answer->without_picture);
    free((void *)answer->edited);
    free((void *)answer->forgotten);
    free((char *)answer->profile);
    free((char *)answer->model);
    free(answer);
}

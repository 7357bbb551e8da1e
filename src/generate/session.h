/* session.h: one conversation with a local model: what is in the decoder's memory, and how an answer streams out
 * of it. */
#ifndef RAP_GENERATE_SESSION_H
#define RAP_GENERATE_SESSION_H

#include "generate/choice.h"
#include "generate/turn.h"
#include "generate/vlm.h"

typedef struct session session;

rap_status session_open(session **out, vlm *v, rap_err *err);
void session_close(session *s);

/* Runs one turn. Turn 2 and later reuse the decoder's memory of what came before. When on_token asks to stop, the
 * answer ends there and counts: RAP_OK with what was said. A turn that fails leaves the conversation as it was;
 * where the model cannot go back, every later turn fails and says so. RAP_E_LIMIT: the question does not fit even
 * without concepts. */
rap_status session_ask(session *s, const session_turn *turn, session_answer *out, rap_err *err);

/* The probability that the answer to the turn would begin with `between->yes` rather than `between->no`. Nothing is
 * said: the conversation stays as it was. RAP_E_LIMIT: not all of the turn's concepts and pictures fit. */
rap_status session_judge(session *s, const session_turn *turn, const choice *between, double *out,
                         rap_err *err);

#endif

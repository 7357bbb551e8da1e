/* prompt.h: the RAP prompt, shared by training data and inference. A prompt is a list of segments;
 * text that came from a user or a concept is PLAIN: it never becomes a special token or a picture. */
#ifndef RAP_GENERATE_PROMPT_H
#define RAP_GENERATE_PROMPT_H

#include "base/buf.h"
#include "base/err.h"

typedef enum prompt_kind {
    PROMPT_SPECIAL, /* template text: special tokens are parsed     */
    PROMPT_PLAIN,   /* data: tokenised with parse_special = false   */
    PROMPT_IMAGE    /* picture number `image` (0: the query's)       */
} prompt_kind;

typedef struct prompt_segment {
    prompt_kind kind;
    char *text; /* owned; NULL for a picture */
    int image;  /* 0: the query picture; i: the picture of concept i−1 */
} prompt_segment;

typedef struct prompt {
    prompt_segment *segment;
    size_t count, cap;
    size_t memory; /* segments at the start that depend on the concepts alone; 0: the photo comes before them */
} prompt;

typedef struct prompt_concept {
    const char *name; /* as stored, without brackets */
    const char *info;
    int has_image; /* of its own: the picture number is its place in the list, from 1 */
} prompt_concept;

/* How a model wants its turns: from profile.json, or (style "chat") from the model's own template. */
typedef struct prompt_style {
    const char *before_user;      /* "USER: "       */
    const char *before_assistant; /* " ASSISTANT:"  */
    const char *after_assistant;  /* "</s>"         */
    const char *system;           /* "": template text before the first turn */
    const char *system_line;      /* NULL or "": data, which follows it      */
    const char *after_system;     /* NULL or "": template text behind that   */
    int memory_first;             /* 0: photo, concepts, question, as the RAP models were tuned; 1: concepts, photo,
                                   * question, so that what stays the same from photo to photo comes first */
} prompt_style;

/* What we ask a model in our own name; profile.json may ask in other words. For a description: the pattern of
 * describe.h. For a judgement (judge.h): the photo is a region, the concept the one it may show. */
#define PROMPT_DESCRIBE                                                                          \
    "What is <name>?[ It is a {category}.] Describe it so that it can be recognised in other "    \
    "pictures: its kind, colors, pattern and marks. Leave out the place, the background and the " \
    "pose. Answer with one sentence that begins with \"<name> is\"."
#define PROMPT_VERIFY                                                                             \
    "Does this photo show <name> itself, the very same individual as in the picture of <name>, " \
    "and not another one of its kind? Answer Yes or No."

/* `<image>\n[1.<image>\n Name: <bo>, Info: …\n]QUESTION` between the style's markers (memory_first: `[…]<image>\nQUESTION`);
 * without a query picture or concepts the parts fall away. first: whether this is the first turn (system text and
 * pictures are only in it; concepts new to a later turn are given in that turn). */
rap_status prompt_build(prompt *out, const prompt_style *style, int has_query_image,
                        const prompt_concept *concept, int concepts, const char *question,
                        int first, rap_err *err);
void prompt_release(prompt *p);

/* The order of the concepts in the prompt: by place[concepts] (NULL: as they are) or, where memory comes first, by name:
 * the same ones then give the same prompt, whatever their scores. order: [concepts] indices into `concept`. */
void prompt_order(int *order, const prompt_style *style, const prompt_concept *concept,
                  const int *place, int concepts);

/* Here a concept's number begins at 1 in every prompt, as in the official inference code. The official trainer numbers
 * from 1 behind a query picture and from 0 without one; a model tuned by it has seen "0." in text-only samples. */

/* The prompt as one text with "<image>" for pictures, for logs, tests and training data. */
void prompt_text(buf *out, const prompt *p);

#endif

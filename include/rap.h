/* rap.h: make a multimodal language model personal, on your own machine.
 *
 *     #include <rap.h>
 *     #include <stdio.h>
 *
 *     static int print(const char *text, size_t len, void *payload)
 *     {
 *         return fwrite(text, 1, len, payload) == len ? 0 : 1;
 *     }
 *
 *     int main(void)
 *     {
 *         rap *r = NULL;
 *         rap_options options = RAP_OPTIONS_INIT;
 *         rap_concept bo = RAP_CONCEPT_INIT;
 *         rap_query query = RAP_QUERY_INIT;
 *
 *         if (rap_open(&r, &options) != RAP_OK)
 *             goto out;
 *         bo.name = "bo";
 *         bo.category = "dog";
 *         bo.info = "<bo> is a cinnamon Shiba Inu who loves cheese.";
 *         bo.image.path = "bo.png";
 *         if (rap_remember(NULL, r, &bo) != RAP_OK)
 *             goto out;
 *         query.image.path = "park.jpg";
 *         query.question = "Who is in this picture?";
 *         rap_ask(NULL, r, &query, print, stdout);
 *     out:
 *         if (*rap_error(r))
 *             fprintf(stderr, "%s\n", rap_error(r));
 *         rap_close(r);
 *     }
 *
 * The three verbs of the paper "RAP: Retrieval-Augmented Personalization for Multimodal Large
 * Language Models" (CVPR 2025, arXiv 2410.13360) are rap_remember, rap_retrieve and rap_ask.
 *
 * Rules that hold for every function here:
 *
 * - A call that can fail returns a rap_status. RAP_OK is 0. After a failure rap_error() is one line
 *   that names the file or argument and the reason, and nothing was changed.
 * - Outputs come first and are named `out`. An output is set to NULL on failure.
 * - `const char *` inputs are UTF-8, copied before the call returns, and never kept.
 * - The caller owns what a call returns and frees it with the function named in its comment, unless
 *   the comment says "borrowed".
 * - One handle is used by one thread at a time. Handles in different threads may share an engine, and
 *   a store file, the latter also from several processes.
 * - The library never exits, aborts or prints. */
#ifndef RAP_H
#define RAP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define RAP_API __attribute__((visibility("default")))
#else
#define RAP_API
#endif

#define RAP_VERSION "0.1.0"

/* ---- status ------------------------------------------------------------------------------- */

typedef enum rap_status {
    RAP_OK = 0,
    RAP_E_ARGUMENT,    /* an argument is invalid                                                */
    RAP_E_NOT_FOUND,   /* a file, concept or profile does not exist                             */
    RAP_E_EXISTS,      /* the name or alias is taken                                            */
    RAP_E_FORMAT,      /* a file is damaged or of another kind                                  */
    RAP_E_UNSUPPORTED, /* valid, but this build or profile cannot do it                         */
    RAP_E_LIMIT,       /* over a documented limit: pixels, length, count                        */
    RAP_E_IO,          /* reading or writing failed                                             */
    RAP_E_BUSY,        /* another process holds the store                                       */
    RAP_E_VERSION,     /* the file was written by a newer version                               */
    RAP_E_MEMORY,      /* out of memory                                                         */
    RAP_E_MODEL,       /* a model failed to load or run                                         */
    RAP_E_CANCELLED,   /* a callback asked to stop                                              */
    RAP_STATUS_COUNT
} rap_status;

/* The text of a status, its exit code for a command line and its HTTP status for a server. */
RAP_API const char *rap_status_text(rap_status status);
RAP_API int rap_status_exit_code(rap_status status);
RAP_API int rap_status_http(rap_status status);

/* ---- engine ------------------------------------------------------------------------------- */

/* The weights of a profile's models, apart from any store. Any number of handles, each with its own
 * store and in its own thread, may share one: a further handle costs no memory for weights.
 *
 * These run in parallel: reading and scaling of pictures, search, everything about stores, and the
 * answers of the language model, each with threads of its own. These run one at a time per engine:
 * pictures in the detector, batches of at most 16 crops in the encoder, and pictures in the language
 * model's vision tower. */
typedef struct rap_engine rap_engine;

/* Progress of long work (loading, re-embedding, import). done and total count `what`. Return
 * non-zero to cancel. */
typedef int rap_on_progress(const char *what, uint64_t done, uint64_t total, void *payload);

typedef struct rap_engine_options {
    const char *profile;          /* NULL: $RAP_PROFILE, user's data folder, the installed tiny   */
    int threads;                  /* 0: every core this process may use                           */
    const char *precision;        /* NULL: $RAP_PRECISION, else the profile's: "auto", "f32",
                                     "bf16" or "int8"                                             */
    int load;                     /* 1: load all models now; 0: each when it is first needed      */
    int profile_layers;           /* 1: time the layers of detector and encoders, for rap_layers() */
    rap_on_progress *on_progress; /* NULL: silent; called while models load now                   */
    void *payload;                /* NULL; passed to on_progress                                  */
    const char *vision;           /* what encodes pictures for the language model: "own" (this
                                     library's vision engine), "mtmd" (llama.cpp's) or "auto"; NULL:
                                     the profile's                                                */
    const char *endpoint;         /* NULL: the profile's. The address of an OpenAI-compatible chat
                                     endpoint: questions go there, with the photo and the concepts'
                                     pictures, in place of the profile's language model. The key, if it
                                     wants one, is $RAP_API_KEY                                   */
    const char *model;            /* NULL: the profile's; the model's name there                  */
    const char *const *lora;      /* NULL: the profile's adapters; else LoRAs in GGUF in their place, ended
                                     by NULL                                                      */
} rap_engine_options;
#define RAP_ENGINE_OPTIONS_INIT { NULL, 0, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL }

/* `*out` is an engine even on failure, for rap_engine_error(), unless memory ran out; rap_engine_close() it
 * either way. */
RAP_API rap_status rap_engine_open(rap_engine **out, const rap_engine_options *options);
/* The weights stay loaded until the last handle that uses them is closed. NULL-safe. */
RAP_API void rap_engine_close(rap_engine *engine);
/* Why opening failed, one line, "" when it did not. Borrowed until rap_engine_close(). */
RAP_API const char *rap_engine_error(const rap_engine *engine);

/* ---- handle ------------------------------------------------------------------------------- */

typedef struct rap rap;

typedef enum rap_policy {
    RAP_POLICY_DEFAULT = 0, /* regions, else the whole photo; threshold, each concept once        */
    RAP_POLICY_PAPER        /* exactly the official rule: no threshold, two nearest per region    */
} rap_policy;

/* What a handle may do with its store. */
typedef enum rap_store_use {
    RAP_STORE_CHANGE = 0,    /* read and change; created if it does not exist                     */
    RAP_STORE_READ,          /* read only; it must exist                                          */
    RAP_STORE_READ_OR_EMPTY, /* read only; a missing store counts as empty                        */
    RAP_STORE_CACHE,         /* the same, but vectors and tokens that were computed are cached in it
                                if it is writable                                                 */
    RAP_STORE_EMPTY          /* an empty store in memory: no file is opened, `store` is unused    */
} rap_store_use;

typedef struct rap_options {
    const char *profile;          /* as in rap_engine_options; NULL with an engine                */
    const char *store;            /* NULL: $RAP_STORE, else <user data folder>/rap/store.db       */
    int threads;                  /* 0: the engine's, or every core this process may use          */
    int store_use;                /* a rap_store_use; 0: RAP_STORE_CHANGE                         */
    rap_policy policy;            /* RAP_POLICY_DEFAULT                                           */
    rap_on_progress *on_progress; /* NULL: silent                                                 */
    void *payload;                /* NULL; passed to on_progress                                  */
    int token_cache_mib;          /* limit of the image tokens cached in the store; the least recently
                                     used go first. 0: $RAP_TOKEN_CACHE_MIB, else 1024; −1: none  */
    int profile_layers;           /* as in rap_engine_options; unused with an engine              */
    rap_engine *engine;           /* NULL: one of its own                                         */
    const char *vision;           /* as in rap_engine_options; NULL with an engine                */
    const char *endpoint, *model; /* likewise                                                     */
    int verify;                   /* 0: as the profile says; 1: the language model looks at every match
                                     again, and those that it denies are left out; −1: it does not  */
    int prefix_cache_mib;         /* limit of the evaluated concepts that are kept in files beside the store, so that the
                                     next process need not read them again; the least recently used go first, and
                                     those of a concept go with it. 0: $RAP_PREFIX_CACHE_MIB, else the profile's,
                                     else none; −1: none                                          */
    const char *const *lora;      /* as in rap_engine_options; NULL with an engine                */
} rap_options;
#define RAP_OPTIONS_INIT                                                                         \
    { NULL, NULL, 0, 0, RAP_POLICY_DEFAULT, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, 0, 0, NULL }

/* Opens the store. Without options.engine each model is loaded when it is first needed. `*out` is a handle even
 * on failure, for rap_error(), unless memory ran out; rap_close() it either way. */
RAP_API rap_status rap_open(rap **out, const rap_options *options);
RAP_API void rap_close(rap *r); /* NULL-safe */

/* The last failure on this handle, one line, "" when none. Borrowed until the next call on `r`. */
RAP_API const char *rap_error(const rap *r);

/* A remark of the last call that returned RAP_OK, one line, "" when none: that deleted data remains in the store's log
 * until another process that is reading the store is done, or that a picture looks like a photograph and the profile
 * understands drawings only. Borrowed until the next call on `r`. */
RAP_API const char *rap_note(const rap *r);

/* ---- pictures ----------------------------------------------------------------------------- */

/* A picture: the path of a file or pipe, or encoded bytes: JPEG, PNG, GIF, WebP, HEIC or AVIF, recognised by content. At
 * most 512 MiB and 268 megapixels; above 100 megapixels it is halved while it is decoded. Decoding may take 2.2 GB of
 * memory, for all threads of the process together. WebP, HEIC and AVIF are decoded by rap-decode, a sandboxed program
 * that is installed with this library. */
typedef struct rap_image {
    const char *path; /* NULL: use bytes                                                          */
    const void *bytes;
    size_t size;
} rap_image;
#define RAP_IMAGE_INIT { NULL, NULL, 0 }

/* A box in pixels of the upright (EXIF-oriented) picture at its original size; w == 0 means the whole picture. */
typedef struct rap_box {
    float x, y, w, h;
} rap_box;

/* ---- remember ----------------------------------------------------------------------------- */

typedef struct rap_concept {
    const char *name;           /* required; unique (see rap_find); 1 to 128 bytes, no control chars */
    const char *category;       /* NULL or "": none; the word the detector looks for                */
    const char *info;           /* NULL or "": none; text for the language model, at most 64 KiB */
    rap_image image;            /* the first view; required by rap_remember                         */
    rap_box box;                /* {0}: the whole picture                                           */
    const char *const *aliases; /* NULL; other names, ended by NULL                                 */
    const rap_image *views;     /* [view_count] further pictures, each of the concept as a whole    */
    int view_count;             /* 0; at most 63                                                    */
    int automatic;              /* 0; flags of rap_automatic: the texts that a model wrote          */
} rap_concept;
#define RAP_CONCEPT_INIT                                                                         \
    { NULL, NULL, NULL, RAP_IMAGE_INIT, { 0, 0, 0, 0 }, NULL, NULL, 0, 0 }

/* Which texts of a concept a model wrote (rap_propose_info(), rap_propose_category()) and the user only agreed to. */
typedef enum rap_automatic {
    RAP_AUTOMATIC_INFO = 1,
    RAP_AUTOMATIC_CATEGORY = 2,
    RAP_AUTOMATIC_BOTH = 3
} rap_automatic;

/* A concept as stored. */
typedef struct rap_record {
    int64_t id;
    const char *name, *category, *info;
    const char *const *aliases; /* ended by NULL */
    int views;
    const char *created, *updated; /* ISO 8601, UTC */
    int automatic; /* flags of rap_automatic */
} rap_record;

/* Embeds the pictures and stores the concept, whose id is written to `out` (NULL: not wanted). When it returns
 * RAP_OK the concept survives a crash. */
RAP_API rap_status rap_remember(int64_t *out, rap *r, const rap_concept *concept);

/* Changes to a concept; fields that are not given stay unchanged. */
typedef struct rap_change {
    const char *name, *category, *info;      /* NULL: unchanged                                     */
    const char *const *add_aliases;          /* NULL: none; ended by NULL                           */
    const char *const *remove_aliases;       /* NULL: none; ended by NULL; before any other change  */
    const char *const *aliases;              /* NULL: unchanged; else exactly these, ended by NULL  */
    rap_image avatar;                        /* none: unchanged; a new view that becomes the avatar */
    rap_box avatar_box;                      /* {0}: the whole picture                              */
    rap_image view;                          /* none; a further view                                */
    rap_box view_box;                        /* {0}: the whole picture                              */
    int automatic;                           /* flags of rap_automatic: of the texts given here, those that
                                                a model wrote                                       */
} rap_change;
#define RAP_CHANGE_INIT                                                                          \
    { NULL, NULL, NULL, NULL, NULL, NULL, RAP_IMAGE_INIT, { 0, 0, 0, 0 }, RAP_IMAGE_INIT,        \
      { 0, 0, 0, 0 }, 0 }

/* What the models say of a picture, for the user to look at: nothing is stored. The picture is `image` (with its `box`,
 * {0}: all of it), or, if that is NULL, the avatar of the concept `name` in the store.
 *
 * An info line: "<name> is …", what lasts (kind, colours, pattern, marks), one line of at most 400 bytes without
 * control characters, by the profile's language model. category: the kind, if it is known; NULL: the model has to see
 * it. RAP_E_UNSUPPORTED: the profile has no language model that sees pictures; RAP_E_MODEL: it says nothing that is a
 * description. Free with rap_free(). */
RAP_API rap_status rap_propose_info(char **out, rap *r, const char *name, const char *category,
                                    const rap_image *image, rap_box box);
/* A category: the nearest word, by the encoder's text tower, or else by the detector, of the store's categories, the
 * profile's vocabulary and a list of everyday nouns. RAP_E_UNSUPPORTED: an encoder that knows no words, and no
 * detector; RAP_E_NOT_FOUND: the detector finds nothing. Free with rap_free(). */
RAP_API rap_status rap_propose_category(char **out, rap *r, const char *name,
                                        const rap_image *image, rap_box box);

/* Makes all changes in one transaction, or none. */
RAP_API rap_status rap_update(rap *r, const char *name, const rap_change *change);

RAP_API rap_status rap_add_view(rap *r, const char *name, const rap_image *image, rap_box box);
/* Corrections: a photo, or a box in it, shows this concept (and becomes a further view), or does not (and is
 * stored as a look-alike). Without a box the latter means every region in which the concept is found now;
 * RAP_E_NOT_FOUND when there is none. Both take effect with the next photo; rap_forget() removes them with
 * the concept. */
RAP_API rap_status rap_correct(rap *r, const char *name, const rap_image *image, rap_box box,
                               int is_it);
RAP_API rap_status rap_add_alias(rap *r, const char *name, const char *alias);
RAP_API rap_status rap_remove_alias(rap *r, const char *name, const char *alias);

/* Removes the concept: rows, pictures, vectors, cached tokens; the bytes are overwritten. */
RAP_API rap_status rap_forget(rap *r, const char *name);
/* The same for several, ended by NULL: all, or none if one is not there. Two names of one concept count once. */
RAP_API rap_status rap_forget_all(rap *r, const char *const *names);

/* Finds by name or alias. Case, the Unicode form, the kind of white space, apostrophes and dashes, and
 * <brackets> make no difference. Free with rap_record_free(). */
RAP_API rap_status rap_find(rap_record **out, rap *r, const char *name);
RAP_API void rap_record_free(rap_record *record); /* NULL-safe */

/* The names in <angle brackets> in the text that no concept has, each once and at most 64, ended by NULL: what a model
 * would have to invent. Free with rap_free(). Loads no model. */
RAP_API rap_status rap_unknown(const char ***out, rap *r, const char *text);

/* Calls `on_record` for each concept, sorted by name; `search` (NULL: all) filters by a substring
 * of name, alias, category or info, compared like names. A non-zero return stops with RAP_E_CANCELLED. The
 * record is borrowed until the callback returns. Loads no model. */
typedef int rap_on_record(const rap_record *record, void *payload);
RAP_API rap_status rap_each(rap *r, const char *search, rap_on_record *on_record, void *payload);
/* The same, starting after the name `after` (NULL: at the beginning), for pages of a large store. */
RAP_API rap_status rap_each_after(rap *r, const char *after, const char *search,
                                  rap_on_record *on_record, void *payload);

/* The avatar's original bytes. Free with rap_free(). */
RAP_API rap_status rap_avatar(void **out, size_t *out_size, rap *r, const char *name);
RAP_API void rap_free(void *memory); /* NULL-safe */

typedef struct rap_import_report {
    int added, updated, skipped; /* concepts */
    int views;                   /* further pictures of those that were added or updated */
} rap_import_report;

/* Imports an official database.json (pictures relative to its folder or the parent of that, never outside;
 * all that path_to_concept maps to a concept become its views) or a bundle of rap_export(). All or nothing.
 * replace: 0: a taken name is an error; 1: its concept is replaced. */
RAP_API rap_status rap_import(rap_import_report *out, rap *r, const char *path, int replace);

/* Exports everything to a lossless bundle, or, if `path` ends in ".json", to the official format with the
 * pictures in a folder "images" next to it. */
RAP_API rap_status rap_export(rap *r, const char *path);

/* ---- retrieve ----------------------------------------------------------------------------- */

typedef enum rap_reason {
    RAP_REASON_REGION = 0, /* a detected region matches         */
    RAP_REASON_WHOLE,      /* the whole photo matches           */
    RAP_REASON_NAME,       /* the text contains its name        */
    RAP_REASON_EDITED      /* given earlier in the conversation and edited since; beyond the limit */
} rap_reason;
RAP_API const char *rap_reason_text(rap_reason reason);

typedef struct rap_match {
    int64_t id;
    const char *name, *category, *info;
    float distance; /* Euclidean on unit vectors, 0..2; NaN when found by name only               */
    float score;    /* 0..1: 1 − distance / 2; 1 for a name and for RAP_REASON_EDITED             */
    rap_box box;    /* in the query photo; w == 0: none                                           */
    rap_reason reason;
    int ambiguous; /* 0: certain; else look-alikes: matches with the same number are candidates for one place in
                    * the photo */
    float verified; /* rap_verify(); −1: not asked */
} rap_match;

typedef struct rap_region {
    rap_box box;
    float confidence;  /* of the detector, 0..1; 1 for the whole photo */
    const char *label; /* the detector's word for it; "" for the whole photo */
} rap_region;

typedef struct rap_matches {
    size_t count;
    rap_match *match; /* best first */
    size_t region_count;
    rap_region *region;
    int width, height; /* of the upright query photo; 0 without one */
    double detect_ms, embed_ms, search_ms;
    size_t denied_count;
    rap_match *denied; /* left out because the language model denied them (rap_options.verify) */
    double verify_ms;
} rap_matches;

/* Finds the concepts in the photo (NULL: none) and the text (NULL: none). At most `limit` matches;
 * 0: the profile's K; under RAP_POLICY_PAPER all that the text names, however many. Free with rap_matches_free(). */
RAP_API rap_status rap_retrieve(rap_matches **out, rap *r, const rap_image *image,
                                const char *text, int limit);
RAP_API void rap_matches_free(rap_matches *matches); /* NULL-safe */

/* How probable the language model finds it that the box in a photo ({0}: all of it) shows the concept, and not another
 * one of its kind: `out` 0 to 1, by its "Yes" against its "No", without sampling. It sees the concept's main picture and
 * the crop of the photo. RAP_E_UNSUPPORTED: it sees no pictures, or is behind an endpoint. */
RAP_API rap_status rap_verify(float *out, rap *r, const char *name, const rap_image *image,
                              rap_box box);

/* RAP_OK, or an error if `path` must not be overwritten: it is the picture (NULL: none), the store or a file of the
 * profile, even by another name of the same file. The library checks this itself before it writes. */
RAP_API rap_status rap_may_write(rap *r, const char *path, const rap_image *image);

/* Draws matches (and regions, thin) onto the photo and writes a PNG. */
RAP_API rap_status rap_draw(rap *r, const rap_image *image, const rap_matches *matches,
                            const char *path);

/* ---- generate ----------------------------------------------------------------------------- */

/* A piece of answer text, UTF-8, not NUL-ended. A non-zero return stops the answer there. */
typedef int rap_on_token(const char *text, size_t len, void *payload);

#define RAP_MOST_CONCEPTS 16 /* of one question */

typedef struct rap_query {
    rap_image image;         /* none: a text-only question, or the conversation's photo             */
    const char *question;    /* required                                                            */
    int limit;               /* at most this many concepts, up to RAP_MOST_CONCEPTS; 0: the profile's K */
    int max_tokens;          /* 0: 256                                                              */
    float temperature;       /* 0: greedy                                                           */
    uint32_t seed;           /* 0; used when temperature > 0                                        */
    int no_memory;           /* 0; 1: no retrieval, the model alone (baseline)                      */
    const char *const *only; /* NULL: retrieve; else exactly these names, ended by NULL            */
    float top_p;             /* 0: 0.95; used when temperature > 0, as is top_k                     */
    int top_k;               /* 0: 40; < 0: no bound                                                */
    float repeat_penalty;    /* 0 or 1: none; of the answer's last 64 tokens                        */
    int concept_budget;      /* tokens that the concepts may take together; 0: what fits            */
    int no_avatars;          /* 0; 1: concepts come as text alone, without their pictures           */
    /* The next two get the payload of the call.
     * stop: NULL. Asked for each token, between the parts of a long prompt, and about once a second while an endpoint is
     * waited for; non-zero stops there. If text has come, it is the answer (RAP_FINISH_LISTENER); else the call is
     * RAP_E_CANCELLED, and a conversation is as before it.
     * on_wait: NULL. Called before an endpoint that failed is asked again, with the reason and the pause.       */
    int (*stop)(void *payload);
    void (*on_wait)(const char *why, double seconds, void *payload);
} rap_query;
#define RAP_QUERY_INIT \
    { RAP_IMAGE_INIT, NULL, 0, 0, 0.0f, 0, 0, NULL, 0.0f, 0, 0.0f, 0, 0, NULL, NULL }

typedef enum rap_finish {
    RAP_FINISH_STOP = 0, /* the model ended its answer      */
    RAP_FINISH_LENGTH,   /* max_tokens, or a full context   */
    RAP_FINISH_LISTENER  /* on_token or stop asked to stop  */
} rap_finish;
RAP_API const char *rap_finish_text(rap_finish finish);

typedef struct rap_answer {
    const char *text;
    rap_matches *matches;       /* the concepts given with this question, in the prompt's order       */
    int dropped;                /* concepts left out because the context or the budget is too short   */
    int prompt_tokens, answer_tokens; /* -1: an endpoint that does not count them                     */
    int images_encoded;         /* vision tower passes; pictures of concepts are cached after the first */
    double retrieve_ms, first_token_ms, total_ms;
    int pictures_dropped; /* of the concepts that are given, these came as text alone: pictures go before texts, of
                             each the least certain first: look-alikes of a better match, then the lowest rank  */
    int kept_tokens;      /* of prompt_tokens, kept from a conversation before, of this process or (prefix_cache_mib) an
                             earlier one: not evaluated again                                       */
    rap_finish finish;
    /* Lists of names, ended by NULL, never NULL. */
    const char *const *unknown; /* in <angle brackets> in the question, and no concept has them (rap_unknown());
                                   none with no_memory */
    const char *const *used;          /* concepts, given now or earlier in the conversation, that the text names */
    const char *const *already_given; /* found for this question, but given earlier in the conversation */
    const char *const *dropped_names; /* of the `dropped`, the most certain first */
    const char *const *without_picture; /* of the `pictures_dropped`, likewise */
    const char *const *edited;    /* given earlier and edited since, so they are given again */
    const char *const *forgotten; /* given earlier and forgotten since; said once. What the conversation was told stays
                                     in it until rap_chat_restart() */
    int recognised; /* 1: something in the photo was; 0: nothing; −1: there is no photo, or it was not searched
                       (no_memory, only) */
    const char *profile; /* its name */
    const char *model;   /* the language model: its file, or "NAME at ADDRESS" for an endpoint */
} rap_answer;

/* Retrieves and answers, streaming to `on_token` (NULL: not streamed). `out` may be NULL; free with
 * rap_answer_free(). */
RAP_API rap_status rap_ask(rap_answer **out, rap *r, const rap_query *query, rap_on_token *on_token,
                           void *payload);
RAP_API void rap_answer_free(rap_answer *answer); /* NULL-safe */

/* A conversation, with a photo or without one. A handle may have several; close them before it.
 *
 * Every question retrieves: the names in it, and the photo. A concept that the conversation has been given keeps its
 * place and is not given again, unless it was edited since, also by another process. */
typedef struct rap_chat rap_chat;
RAP_API rap_status rap_chat_open(rap_chat **out, rap *r, const rap_image *image);
/* With query.image, as after rap_chat_image(). A question that fails leaves what was said before as it was. */
RAP_API rap_status rap_chat_ask(rap_answer **out, rap_chat *chat, const rap_query *query,
                                rap_on_token *on_token, void *payload);
/* The photo that questions are about from now on (NULL: none). It goes before the model with the next question. Earlier
 * turns keep their photo and their place in the conversation. After a failure the photo before it stays. */
RAP_API rap_status rap_chat_image(rap_chat *chat, const rap_image *image);
/* The concepts in the present photo, as rap_retrieve() finds them without a text; RAP_E_NOT_FOUND without a photo. Free
 * with rap_matches_free(). */
RAP_API rap_status rap_chat_see(rap_matches **out, rap_chat *chat, int limit);
/* Forgets what was said and given. The present photo stays, and is shown again with the next question. */
RAP_API void rap_chat_restart(rap_chat *chat);
RAP_API void rap_chat_close(rap_chat *chat); /* NULL-safe */

/* ---- models ------------------------------------------------------------------------------- */

typedef struct rap_embedding {
    const char *encoder; /* name and fingerprint of the encoder        */
    int dim;
    float *feature;      /* [dim], not normalised                      */
    int token_count;     /* of a text; 0 for a picture                 */
    int32_t *token;      /* [token_count]                              */
} rap_embedding;

/* The encoder's feature of either a whole picture or a text. Free with rap_embedding_free(). */
RAP_API rap_status rap_embed(rap_embedding **out, rap *r, const rap_image *image, const char *text);
RAP_API void rap_embedding_free(rap_embedding *embedding); /* NULL-safe */

/* What is kept because making it again takes time. Nothing is lost by clearing it. */
typedef enum rap_cache {
    RAP_CACHE_WEIGHTS = 0, /* packed weights of encoders, detectors and towers, of all profiles        */
    RAP_CACHE_TOKENS,      /* image tokens of the concepts' pictures, in the store                     */
    RAP_CACHE_PREFIXES,    /* evaluated concepts, in files beside the store: rap_options.prefix_cache_mib */
    RAP_CACHE_COUNT
} rap_cache;

typedef struct rap_cache_use {
    int64_t items, bytes;
    char *place; /* a file or folder, which need not exist; NULL: nothing is kept. rap_free() */
} rap_cache_use;

RAP_API const char *rap_cache_text(rap_cache kind); /* "weights", "tokens", "prefixes" */
/* `out` is set in any case. */
RAP_API rap_status rap_cache_look(rap_cache_use *out, rap *r, rap_cache kind);
RAP_API rap_status rap_cache_clear(rap *r, rap_cache kind);

typedef struct rap_convert_options {
    const char *vocab; /* a CLIP's BPE merges, plain or gzip. NULL: from the checkpoint's folder   */
    const char *type;  /* "f32", "f16", "bf16" or "q8_0"; for a LLaVA also "q4_k_m" and other types
                        * of llama.cpp's quantiser. NULL: as in the checkpoint                     */
    int image_size;    /* input size of an image encoder in pixels: position embeddings are
                        * resampled, and features change. 0: as published                          */
    float mean[3];     /* mean and standard deviation of the training colours (0 to 1), if no file */
    float std[3];      /* has them. All of std 0: as published                                     */
    /* NULL: not called. Called with each remark for the user: what was assumed and how to override it, which
     * of several sets of weights was used. One line without a newline.                                     */
    void (*remark)(void *payload, const char *line);
    rap_on_progress *on_progress; /* NULL: silent. Counts tensors; may cancel                      */
    void *payload;
    const char *tower; /* folder of a LLaVA's image tower, if the checkpoint does not hold it. NULL: it does */
} rap_convert_options;

/* Converts a published checkpoint to GGUF: a file, an index of shards, or a folder in Hugging Face's layout. A LLaVA
 * becomes model.gguf and mmproj.gguf in the folder `out_path`, which is created.
 * `options` may be NULL. An input file is never overwritten. Needs no handle: on failure the error line is
 * written to `error` (`error_size` bytes, may be NULL). */
RAP_API rap_status rap_convert(const char *in_path, const char *out_path,
                               const rap_convert_options *options, char *error, size_t error_size);

/* Describes the handle as JSON (profile, models, store, versions, CPU). After the first retrieval the store's part
 * lists the concepts with a picture that cannot be decoded here; such a picture matches nothing. Free with rap_free(). */
RAP_API rap_status rap_describe(char **out, rap *r);

/* A table of the best time of each layer of the detector and the encoders so far, and its speed as a share of that of a
 * large matrix product; needs `profile_layers`. Free with rap_free(). */
RAP_API rap_status rap_layers(char **out, rap *r);

#ifdef __cplusplus
}
#endif

#endif

/* store.h: the concept store, one SQLite file. Runs no model: vectors are plain floats with the
 * fingerprint of the encoder that made them.
 *
 * Every writing function is one transaction, durable when it returns RAP_OK (WAL, synchronous=FULL).
 * Two processes may write at once: a writer waits (busy timeout 10 s) and then reports RAP_E_BUSY. What is only
 * cached (tokens, words of the detector, packed vectors) is not written then, without waiting. */
#ifndef RAP_REMEMBER_STORE_H
#define RAP_REMEMBER_STORE_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

typedef struct store store;

/* Opens or creates (unless read_only). A newer user_version is RAP_E_VERSION and left untouched;
 * another kind of file is RAP_E_FORMAT. Reading works wherever the file and its log can be read: on a medium, in a folder
 * or as a user that nothing can be written with. */
rap_status store_open(store **out, const char *path, int read_only, rap_err *err);
/* An empty store in memory that cannot be changed, as if `path` held one; no file is touched. */
rap_status store_open_empty(store **out, const char *path, rap_err *err);
int store_is_read_only(const store *s);
/* A remark on the last change, which succeeded: one line, "" if there is none. */
const char *store_note(const store *s);
void store_clear_note(store *s);
void store_close(store *s);
const char *store_path(const store *s);

/* A number that changes whenever anything in the store changed, by any process (PRAGMA data_version
 * plus own total changes): caches of vectors and vocabulary compare it. */
int64_t store_generation(store *s);

typedef struct store_vector {
    const char *encoder; /* fingerprint */
    int dim;
    const float *data; /* [dim], not normalised; stored as little-endian f32 */
} store_vector;

typedef struct store_view {
    const void *bytes; /* original file bytes */
    size_t size;
    int width, height; /* upright */
    rap_box box;       /* in it; w == 0: whole */
} store_view;

typedef struct store_concept { /* what add takes; texts are validated here (see rap_concept) */
    const char *name, *category, *info;
    const char *const *aliases;
    int automatic; /* of category and info those that a model wrote: rap_automatic */
} store_concept;

/* The most views that a concept is added with. */
#define STORE_MAX_VIEWS 64

rap_status store_add(store *s, int64_t *out_id, const store_concept *c, const store_view *view,
                     const store_vector *vector, rap_err *err);
/* The same with several views [count], the first of which is the avatar: all or none. */
rap_status store_add_views(store *s, int64_t *out_id, const store_concept *c,
                           const store_view *view, const store_vector *vector, size_t count,
                           rap_err *err);
/* Changes of a concept; NULL leaves a field as it is. Aliases are removed first, then the name is set, then aliases are
 * added, so a new name may be an old alias and vice versa. */
typedef struct store_change {
    const char *name, *category, *info;
    int automatic;                   /* of those texts, the ones that a model wrote */
    const char *const *aliases;      /* exactly these, ended by NULL */
    const char *const *add_alias;    /* ended by NULL */
    const char *const *remove_alias; /* ended by NULL */
    const store_view *avatar, *view; /* a new view that becomes the avatar; a further one */
    const store_vector *avatar_vector, *view_vector; /* NULL: computed when first needed */
} store_change;
/* One transaction: all of it or nothing. */
rap_status store_update(store *s, const char *name, const store_change *change, rap_err *err);
rap_status store_add_view(store *s, const char *name, const store_view *view,
                          const store_vector *vector, rap_err *err);
rap_status store_add_alias(store *s, const char *name, const char *alias, rap_err *err);
rap_status store_remove_alias(store *s, const char *name, const char *alias, rap_err *err);
rap_status store_forget(store *s, const char *name, rap_err *err);
/* Several, ended by NULL: all or none. Names of one concept count once. */
rap_status store_forget_all(store *s, const char *const *names, rap_err *err);

rap_status store_find(store *s, const char *name, rap_record **out, rap_err *err);
rap_status store_find_id(store *s, int64_t id, rap_record **out, rap_err *err);
void store_record_free(rap_record *record);
rap_status store_each(store *s, const char *search, rap_on_record *on_record, void *payload,
                      rap_err *err);
/* after: NULL, or the name (or what would be one) behind which to begin. */
rap_status store_each_after(store *s, const char *after, const char *search,
                            rap_on_record *on_record, void *payload, rap_err *err);
rap_status store_count(store *s, int64_t *out, rap_err *err);

/* The avatar: original bytes (free()), its box, its view id, whose it is. */
typedef struct store_picture {
    int64_t view_id, concept_id;
    char *bytes; /* free() */
    size_t size;
    rap_box box;
    char hash[65]; /* SHA-256 of the bytes */
} store_picture;
rap_status store_avatar(store *s, int64_t concept_id, store_picture *out, rap_err *err);
void store_picture_release(store_picture *picture);

/* Views that have no vector of this encoder yet: calls back with the picture; the callback computes and
 * stores with store_put_vector(). */
typedef rap_status store_on_view(int64_t view_id, const store_picture *picture, void *payload,
                                 rap_err *err);
rap_status store_each_unembedded(store *s, const char *encoder, store_on_view *on_view,
                                 void *payload, int64_t *out_total, rap_err *err);
/* Who reads pictures here: the decoder, by its version. Pictures that it, or the maker of vectors, could not read are
 * passed over by store_each_unembedded() and store_each_stale_refusal(). */
rap_status store_set_decoder(store *s, const char *decoder, rap_err *err);
/* Marks a picture that `reader`, the decoder or a maker of vectors, could not read. Where that cannot be written at
 * once it holds for this handle. */
rap_status store_mark_unreadable(store *s, int64_t id, int is_refusal, const char *reader,
                                 rap_err *err);
/* The names of the concepts that have a marked picture; store_strings_free(). */
rap_status store_unreadable(store *s, char ***out, size_t *out_count, rap_err *err);
/* States that this encoder makes vectors of `dim` numbers. Vectors of another size under its name came with a bundle and
 * are deleted, so that their views are embedded again; this handle imports no more of them. Call it before asking for
 * its vectors. */
rap_status store_correct_encoder(store *s, const char *encoder, int dim, rap_err *err);
rap_status store_put_vector(store *s, int64_t view_id, const store_vector *vector, rap_err *err);

/* A picture of what the concept is not: a correction. */
rap_status store_add_refusal(store *s, const char *name, const store_view *view,
                             const store_vector *vector, rap_err *err);
/* Several at once: view [count], vector [count]. */
rap_status store_add_refusals(store *s, const char *name, const store_view *view,
                              const store_vector *vector, size_t count, rap_err *err);

/* What is known of how one concept looks, by one maker of vectors. */
typedef struct store_evidence {
    size_t views, refusals;
    float *view;    /* [views, dim], the avatar first */
    float *refusal; /* [refusals, dim] */
} store_evidence;
rap_status store_load_evidence(store *s, int64_t concept_id, const char *maker, int dim,
                               store_evidence *out, rap_err *err);
void store_evidence_release(store_evidence *e);

/* Refusals that have no vector of this maker: as store_each_unembedded() with the refusal's id. */
rap_status store_each_stale_refusal(store *s, const char *maker, store_on_view *on_refusal,
                                    void *payload, rap_err *err);
rap_status store_count_stale_refusals(store *s, const char *maker, int64_t *out, rap_err *err);
rap_status store_put_refusal_vector(store *s, int64_t refusal_id, const store_vector *vector,
                                    rap_err *err);

/* Distinct non-empty categories, folded, in order; where there are more than `most`, those of the most
 * concepts. Free the array and each string with store_strings_free(). */
rap_status store_categories(store *s, size_t most, char ***out, size_t *out_count, rap_err *err);
void store_strings_free(char **strings, size_t count);

/* Names and aliases with their concept: for finding names in a text. Array of *count; free with
 * store_names_free(). */
typedef struct store_name {
    int64_t concept_id;
    char *text;   /* as written */
    char *folded; /* as compared: text_fold_name() */
    int is_alias;
} store_name;
rap_status store_names(store *s, store_name **out, size_t *out_count, rap_err *err);
void store_names_free(store_name *names, size_t count);

/* The text-embedding cache of the detector's vocabulary. found 0 when absent. */
rap_status store_get_text_vector(store *s, const char *text, const char *encoder, float **out,
                                 int *out_dim, int *out_found, rap_err *err);
rap_status store_put_text_vector(store *s, const char *text, const store_vector *vector,
                                 rap_err *err);

/* Projected image tokens of a view for one VLM (mmproj fingerprint): out [tokens, width] f32, free().
 * found 0 when absent. */
rap_status store_get_tokens(store *s, int64_t view_id, const char *model, float **out,
                            size_t *out_floats, int *out_found, rap_err *err);
/* What would not fit the limit even alone is not kept, which is no error. */
rap_status store_put_tokens(store *s, int64_t view_id, const char *model, const float *tokens,
                            size_t floats, rap_err *err);
/* All tokens together take at most this many bytes: those used longest ago make room when others are put
 * in. 0: none are kept. */
#define STORE_TOKEN_LIMIT ((int64_t)1 << 30)
void store_limit_tokens(store *s, int64_t bytes);

/* Evaluated starts of prompts, opaque bytes under a name of 64 hexadecimal digits, in files beside the store. They take at
 * most this many bytes; those used longest ago make room. 0, the default: none are read or written. */
void store_limit_prefixes(store *s, int64_t bytes);
int64_t store_prefix_limit(const store *s);
/* What was put, if it is whole and its concepts have not changed since: free(). NULL: nothing. */
uint8_t *store_get_prefix(store *s, const char *name, size_t *out_size);
/* A concept in one of its states: its id and the time of its last change (rap_record.updated). */
typedef struct store_stamp {
    int64_t concept_id;
    char updated[32];
} store_stamp;
/* concept: [concepts], all that the bytes tell of, as they were when they went in: if one has changed since, nothing is
 * kept. What cannot be written only costs time later. */
void store_put_prefix(store *s, const char *name, const store_stamp *concept, size_t concepts,
                      const void *bytes, size_t size);
void store_drop_prefix(store *s, const char *name);

/* How much is cached here. */
typedef struct store_kept {
    int64_t items, bytes;
} store_kept;
rap_status store_count_tokens(store *s, store_kept *out, rap_err *err);
rap_status store_clear_tokens(store *s, rap_err *err);
rap_status store_count_prefixes(store *s, store_kept *out, rap_err *err);
rap_status store_clear_prefixes(store *s, rap_err *err);
/* Where the prefixes are; free(). NULL: nowhere. */
char *store_prefix_folder(const store *s);

#endif

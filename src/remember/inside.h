/* inside.h: what the files of this folder share. The *_insert, *_set and *_remove functions run inside
 * a transaction of their caller: store_begin() … store_end(). */
#ifndef RAP_REMEMBER_INSIDE_H
#define RAP_REMEMBER_INSIDE_H

#include "remember/db.h"
#include "remember/limits.h"
#include "remember/store.h"

#define SNAPSHOT_TOKEN 32 /* hex digits; says which history of a store a snapshot belongs to */

/* A vector that the current transaction removes or replaces (snapshot.h). */
typedef struct gone_vector {
    int64_t encoder_id, view_id;
    bool replaced;
} gone_vector;

/* A picture that could not be read, where the store cannot be written to (unreadable.c). */
typedef struct unread {
    bool refusal;
    int64_t id;
} unread;

struct store {
    db d;
    bool read_only;
    bool folds_anew; /* `name.folded` is that of an older version: fold_name(text) stands for it */
    char *decoder;   /* store_set_decoder() */
    char *encoder; /* that of store_correct_encoder(), which makes vectors of encoder_dim numbers */
    int encoder_dim;
    bool unmarked;       /* it is of a version without the table of unreadable pictures */
    bool unlearnt;       /* … without the table of what was learnt */
    bool scrub;          /* something was deleted and may still be in the log */
    bool optional;       /* the current transaction: it may be dropped, and never waits */
    int64_t looked_at;   /* PRAGMA data_version when deletions of others were last looked for */
    int64_t last_event;  /* and the last event then */
    int64_t words_event; /* the last event when the categories were read; −1: they were not */
    char note[512];      /* remark on the last change, or "" */
    int64_t changes;     /* own commits that changed concepts or vectors */
    int64_t token_limit; /* bytes */
    int64_t prefix_limit; /* bytes; 0: none are kept */
    size_t snapshot_min; /* vectors; fewer are read from the file in no time */
    gone_vector *gone;   /* [gone_count] */
    size_t gone_count, gone_room;
    unread *unread; /* [unread_count]: marks that could not be written (unreadable.c) */
    size_t unread_count;
    char distrusted[SNAPSHOT_TOKEN + 1]; /* a snapshot that turned out to be damaged; "": none */
};

#define STORE_WAIT_MS 10000 /* for another writer */

/* ---- open.c ---- */

db *store_db(store *s);

/* ---- change.c ---- */

/* What a transaction needs when the machine loses power just after it. */
typedef enum store_durability {
    STORE_DURABLE, /* on disk when store_end() returns */
    STORE_DERIVED  /* can be computed again: may be lost, never damages anything */
} store_durability;
rap_status store_begin(store *s, store_durability durability, rap_err *err);
/* For writes that only save time later: does not wait for a busy store. */
rap_status store_begin_optional(store *s, rap_err *err);
rap_status store_end(store *s, rap_status status, rap_err *err);
/* store_end() for a change of cached data: no handle has to reload anything. */
rap_status store_end_cache(store *s, rap_status status, rap_err *err);
/* Marks this transaction as one that deletes: the log is checkpointed and truncated after it. */
void store_will_delete(store *s);
/* A remark for the caller of a change that succeeded: see store_note(). The first one is kept. */
void store_say(store *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* After a read that may have blocked a truncation: pays what is owed (change.c), if that can be done at once. */
void change_noticed(store *s);
/* The store has just been opened for writing. */
void change_opened(store *s);

/* ---- name.c ---- */

/* Checks a name or an alias (`what` says which, for the error) and returns its stored form; free(). */
rap_status name_check(char **out, const char *what, const char *text, rap_err *err);
/* The same for a category, which may be empty. */
rap_status category_check(char **out, const char *text, rap_err *err);
rap_status info_check(const char *info, rap_err *err);

typedef struct name_owner {
    bool found, alias;
    int64_t concept_id;
} name_owner;
/* The concept with this name or alias, compared folded. */
rap_status name_find(name_owner *out, store *s, const char *text, rap_err *err);
/* The same, but no match is RAP_E_NOT_FOUND. */
rap_status name_require(int64_t *out_id, store *s, const char *text, rap_err *err);
rap_status name_insert(store *s, int64_t concept_id, const char *text, bool alias, rap_err *err);
/* `what`: "name" or "alias". RAP_E_EXISTS with the line that says who has it. */
rap_status name_taken(store *s, const name_owner *owner, const char *text, rap_err *err);
rap_status name_rename(store *s, int64_t concept_id, const char *text, rap_err *err);
rap_status name_remove_alias(store *s, int64_t concept_id, const char *text, rap_err *err);
/* Makes the aliases exactly these; NULL: none. */
rap_status name_set_aliases(store *s, int64_t concept_id, const char *const *aliases, rap_err *err);

/* ---- concept.c ---- */

rap_status concept_insert(int64_t *out_id, store *s, const store_concept *c, rap_err *err);
/* The fields that are not NULL. */
rap_status concept_set(store *s, int64_t id, const store_concept *change, rap_err *err);
/* Sets the time of the change and writes an event. */
rap_status concept_touch(store *s, int64_t id, const char *what, rap_err *err);

/* ---- view.c ---- */

rap_status view_insert(int64_t *out_id, store *s, int64_t concept_id, const store_view *view,
                       bool avatar, rap_err *err);
rap_status view_remove_all(store *s, int64_t concept_id, rap_err *err);
rap_status view_check(const store_view *view, rap_err *err);
/* The picture of the first row, if any; `sql` asks by an id for id, hash, box ×4, bytes, concept. */
rap_status picture_query(store_picture *out, bool *out_found, store *s, const char *sql, int64_t id,
                         rap_err *err);

/* The first view behind the number `after` that is not the avatar, if any. */
rap_status picture_next(store_picture *out, bool *out_found, store *s, int64_t concept_id,
                        int64_t after, rap_err *err);

/* ---- unreadable.c ---- */

/* Takes those out of a list of views (or refusals) that the decoder or this maker could not read. */
rap_status unreadable_pass_over(int64_t *ids, size_t *count, store *s, bool refusal,
                                const char *maker, rap_err *err);
/* It was read after all; in a transaction of the caller. */
rap_status unreadable_clear(store *s, bool refusal, int64_t id, rap_err *err);

/* ---- refusal.c ---- */

/* vector NULL: made when it is first needed. */
rap_status refusal_insert(store *s, int64_t concept_id, const store_view *view,
                          const store_vector *vector, rap_err *err);
rap_status refusal_remove_all(store *s, int64_t concept_id, rap_err *err);

/* ---- vector.c ---- */

rap_status vector_check(const store_vector *vector, rap_err *err);
/* Neither zero nor infinite: such vectors are near nothing. */
bool vector_has_direction(const float *data, int dim);
/* Whether vectors of this size may be the encoder's, by what was said of it, else by all that the store holds of it. */
rap_status encoder_has_size(bool *out, store *s, const char *fingerprint, int dim, rap_err *err);
/* What the encoder itself makes is right: vectors of another size came with a bundle, and go. The views are embedded
 * again when they are next needed. */
rap_status encoder_correct(store *s, int64_t id, int dim, rap_err *err);
/* Whether there is a vector of this encoder. */
rap_status encoder_in_use(bool *out, store *s, int64_t id, rap_err *err);
rap_status vector_insert(store *s, int64_t view_id, const store_vector *vector, rap_err *err);
/* The bytes that are stored; free(). NULL: out of memory. */
void *vector_bytes(const float *numbers, size_t count);
/* The numbers in the one column of the one row, if there is one; free(). Finalizes the statement. */
rap_status vector_read_row(float **out, size_t *out_count, int *out_found, store *s,
                           sqlite3_stmt *statement, rap_err *err);
/* Copies `count` f32 between memory and the little-endian bytes of a file. */
void vector_copy(void *out, const void *in, size_t count);

/* ---- record.c ---- */

/* A walk over concepts, also of a bundle. */
typedef struct record_rows {
    db *d;
    sqlite3_stmt *rows, *aliases;
} record_rows;
/* `rest` follows the SELECT, in which n is the name and c the concept. Call record_finish() even on failure. */
rap_status record_query(record_rows *out, db *d, const char *rest, rap_err *err);
/* *out is NULL at the end; store_record_free(). */
rap_status record_next(rap_record **out, record_rows *r, rap_err *err);
void record_finish(record_rows *r);

#endif
